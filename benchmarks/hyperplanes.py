"""Cost of the hyperplanes, ours beside a loop over ordered pairs.

20 classes of 600 features with 1,024 channels, 100 steps of gradient descent. The published way fits every ordered
pair for itself: a linear layer, binary cross-entropy over the whole batch, SGD. Ours fits the 190 unordered pairs
together, two matrix products a class and step, and knows the other 190 by their sign. The peer takes a tenth of the
ordered pairs, drawn evenly, and its time is multiplied by ten; all of them would take minutes and show the same. The
row ``bfloat16`` is what the setting ``precision: bfloat16`` gives: products in bfloat16 on a processor that is faster
in it, otherwise in float32.

The memory row fits one of 40 shards of a study with 1,000 classes of 100 features in a process of its own, features
read from a file, and puts its peak (resident set; Linux) beside 8 GiB.

Run it with ``python benchmarks/hyperplanes.py``; ours and theirs take turns, medians of three.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from conceptrast.base.environment import restart_with_environment
from conceptrast.base.files import write_arrays
from conceptrast.base.memory import keep_memory
from conceptrast.contrast.features import HEADS, FeatureBank
from conceptrast.contrast.hyperplane_descent import descend
from conceptrast.contrast.hyperplane_shards import FitOptions, fit_shard
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.pairs import Pair

CLASSES = 20
FEATURES = 600
CHANNELS = 1024
TENTH = 10
"""The peer fits every tenth of the ordered pairs."""
TARGETS = {"float32": 10.0, "bfloat16": 25.0}
MANY = 1000
"""Classes of the memory row."""
FEW = 100
"""Features of each of its classes."""
SHARDS = 40
BOUND = 8192
"""MiB beside which its peak is put."""
SOLVER = Solver("zero")


def features_of(classes: int, features: int) -> dict[int, np.ndarray]:
    """Random features ``[n, C]`` by class, sparse as after a ReLU, each class around a mean of its own."""
    generator = np.random.default_rng(0)
    shape = (features, CHANNELS)
    return {
        target: np.maximum(generator.standard_normal(shape, np.float32) + generator.random(CHANNELS, np.float32), 0)
        for target in range(classes)
    }


def one_pair(features: Mapping[int, Tensor], pair: Pair) -> Tensor:
    """Normal ``[C]`` of one ordered pair, as published."""
    rows = torch.cat([features[target] for target in pair])
    labels = torch.cat([torch.full((len(features[target]), 1), float(label)) for label, target in enumerate(pair)])
    layer = nn.Linear(CHANNELS, 1)
    loss = nn.BCEWithLogitsLoss()
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    descent = torch.optim.SGD(layer.parameters(), lr=SOLVER.learning_rate)
    for _ in range(SOLVER.steps):
        descent.zero_grad()
        loss(layer(rows), labels).backward()
        descent.step()
    return layer.weight.detach()[0]


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fit_one_shard(file: Path) -> None:
    """Fit one shard of the many classes and print the peak memory of this process in MiB."""
    fit_shard(FeatureBank([file]), [SOLVER], FitOptions(), shards=SHARDS)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)


def peak_memory() -> float:
    """MiB that a process needs at most to fit one shard of the many classes."""
    vectors = features_of(MANY, FEW)
    facts: dict[str, np.ndarray] = {name: np.zeros(MANY, kind) for name, kind in HEADS.items()}
    facts["classes"] = np.arange(MANY)
    images = np.repeat(np.arange(FEW // 5), 5)
    arrays = {f"vectors_{target}": rows for target, rows in vectors.items()}
    arrays |= {f"images_{target}": images for target in vectors}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        write_arrays(file, facts | arrays)
        del vectors, arrays
        command = [sys.executable, __file__, "shard", str(file)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(rounds: int = 3) -> list[dict[str, str | float]]:
    """One row per measurement: benchmark, ours_s, peer_s, ratio, target; the memory row has MiB in place of seconds."""
    # Features, and the pairs that ours and the peer fit.
    features = features_of(CLASSES, FEATURES)
    tensors = {target: torch.from_numpy(rows) for target, rows in features.items()}
    pairs = list(combinations(range(CLASSES), 2))
    some = list(permutations(range(CLASSES), 2))[::TENTH]

    # Both fit the same.
    normals, _ = descend(features, pairs[:1], SOLVER)
    torch.testing.assert_close(torch.from_numpy(normals[0]), one_pair(tensors, pairs[0]), rtol=1e-3, atol=1e-5)

    # They take turns.
    works: dict[str, Callable[[], object]] = {
        precision: partial(descend, features, pairs, SOLVER, precision=precision) for precision in TARGETS
    }
    works["peer"] = lambda: [one_pair(tensors, pair) for pair in some]
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    median = {name: statistics.median(durations) for name, durations in times.items()}
    peer = TENTH * median.pop("peer")

    # Rows.
    what = f"hyperplanes of {CLASSES} classes, {FEATURES} features, {CHANNELS} channels"
    rows: list[dict[str, str | float]] = [
        {
            "benchmark": f"{what}, {precision}; peer: a loop over ordered pairs",
            "ours_s": median[precision],
            "peer_s": peer,
            "ratio": peer / median[precision],
            "target": target,
        }
        for precision, target in TARGETS.items()
    ]
    peak = peak_memory()
    memory = f"peak memory in MiB, one of {SHARDS} shards of {MANY} classes, beside 8 GiB (at most)"
    return [
        *rows,
        {"benchmark": memory, "ours_s": peak, "peer_s": float(BOUND), "ratio": peak / BOUND, "target": 1.0},
    ]


def main() -> None:
    """Print the table."""
    for row in measure():
        print("  ".join(f"{key}={value:.2f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    restart_with_environment()
    keep_memory()
    if sys.argv[1:2] == ["shard"]:
        fit_one_shard(Path(sys.argv[2]))
    else:
        main()
