"""Cost of the prototype search, ours beside one cosine pass per component.

60 components (ten classes of six) in 4,000 images x 9 patches x 1,280 channels. The published way is one
``torch.nn.functional.cosine_similarity`` of the whole bank for each component; ours is a single streaming search that
also gives the selection without each class's own images, which the passes leave out. Both read the same bank, patch by
patch in memory, as a network in ``channels_last`` gives it.

The memory rows run the search in a process of its own over 4,000 and over 40,000 images whose activations are drawn
block by block, so that the bank itself is never in memory, and compare the processes' peaks (resident set; Linux).

Run it with ``python benchmarks/prototypes.py``; ours and theirs take turns, medians of three.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from conceptrast.base.environment import restart_with_environment
from conceptrast.base.memory import keep_memory
from conceptrast.concepts.prototype_search import PatchSearch

IMAGES = 4000
SIDE = 3
CHANNELS = 1280
COMPONENTS = 60
CLASSES = 10
K = 8
SPEED = 100.0
"""Least ratio of the times."""
MEMORY = 1.1
"""Largest ratio of the peaks of memory."""
BLOCK = 50


def activations(n: int, seed: int) -> Tensor:
    """Random activations ``[n, C, 3, 3]``, patch by patch in memory, sparse as after a ReLU."""
    drawn = torch.randn(n, SIDE, SIDE, CHANNELS, generator=torch.Generator().manual_seed(seed)).clamp_(min=0)
    return drawn.permute(0, 3, 1, 2)


def directions() -> np.ndarray:
    """Components ``[60, C]``."""
    return np.random.default_rng(0).random((COMPONENTS, CHANNELS), dtype=np.float32) ** 4


def new_search() -> PatchSearch:
    """A search for all components of all classes."""
    return PatchSearch(directions(), k=K, classes=np.arange(COMPONENTS) // (COMPONENTS // CLASSES))


def ours(bank: Tensor, predicted: np.ndarray) -> np.ndarray:
    """Similarities ``[60, 8]`` of the best patches; the other selection is found on the way."""
    search = new_search()
    search.update(np.arange(len(bank)), bank, predicted)
    patches = search.result()
    return patches.loc[patches["selection"] == "all", "similarity"].to_numpy().reshape(COMPONENTS, K)


def one_pass_per_component(bank: Tensor) -> np.ndarray:
    """The same similarities, plainly."""
    patches = bank.permute(0, 2, 3, 1).reshape(-1, CHANNELS)
    best = [cosine_similarity(patches, component[None]).topk(K)[0] for component in torch.from_numpy(directions())]
    return torch.stack(best).numpy()


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stream(n: int) -> None:
    """Search ``n`` images, drawn block by block, and print the peak memory of this process in MiB."""
    search = new_search()
    for start in range(0, n, BLOCK):
        numbers = np.arange(start, start + BLOCK)
        search.update(numbers, activations(BLOCK, seed=start), numbers % CLASSES)
    search.result()
    # VmHWM and not getrusage: what that reports starts at the size of the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)


def peak_memory(n: int) -> float:
    """MiB that a process needs at most to search ``n`` images."""
    command = [sys.executable, __file__, "stream", str(n)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(rounds: int = 3) -> list[dict[str, str | float]]:
    """One row per measurement: benchmark, ours_s, peer_s, ratio, target; the memory row has MiB in place of seconds."""
    # Both searches find the same.
    bank = activations(IMAGES, seed=0)
    predicted = np.arange(IMAGES) % CLASSES
    np.testing.assert_allclose(ours(bank, predicted), one_pass_per_component(bank), atol=1e-5)

    # They take turns.
    times = [
        (seconds(lambda: ours(bank, predicted)), seconds(lambda: one_pass_per_component(bank))) for _ in range(rounds)
    ]
    mine, theirs = (statistics.median(durations) for durations in zip(*times, strict=True))
    peaks = [(peak_memory(10 * IMAGES), peak_memory(IMAGES)) for _ in range(rounds)]
    large, small = (statistics.median(mebibytes) for mebibytes in zip(*peaks, strict=True))

    # Rows.
    return [
        {
            "benchmark": f"prototypes of {COMPONENTS} components in {IMAGES} images",
            "ours_s": mine,
            "peer_s": theirs,
            "ratio": theirs / mine,
            "target": SPEED,
        },
        {
            "benchmark": f"its peak memory in MiB, {10 * IMAGES} images beside {IMAGES} (at most)",
            "ours_s": large,
            "peer_s": small,
            "ratio": large / small,
            "target": MEMORY,
        },
    ]


def main() -> None:
    """Print the table."""
    print(f"{'benchmark':62}{'ours':>9}{'peer':>9}{'ratio':>8}{'target':>8}")
    for row in measure():
        figures = "".join(
            f"{row[name]:>{width}.2f}" for name, width in (("ours_s", 9), ("peer_s", 9), ("ratio", 8), ("target", 8))
        )
        print(f"{row['benchmark']:62}{figures}")


if __name__ == "__main__":
    restart_with_environment()
    keep_memory()
    if sys.argv[1:2] == ["stream"]:
        stream(int(sys.argv[2]))
    else:
        main()
