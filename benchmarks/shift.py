"""Cost of the shift test, ours beside running the whole network with replaced activations.

16 images of 224 pixels, ten offsets, ResNet-50 (random weights) at ``layer3.5`` and ``layer4.2``. The published way
runs the whole network for every offset and replaces the layer's output in a forward hook. Ours has the activations
already and runs the part behind the layer on all offsets in batches. A second row counts the one pass that gives them.

Run it with ``python benchmarks/shift.py``; ours and theirs take turns, medians of three.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from conceptrast.base.torchvision_ops import torchvision
from conceptrast.contrast.shift import OFFSETS, shifted_probabilities
from conceptrast.models.split import SplitModel

IMAGES = 16
CLASSES = [0, 1]
TARGETS = {"layer3.5": 6.0, "layer4.2": 50.0}


@torch.inference_mode()
def whole_network(network: nn.Module, layer: str, images: Tensor, normal: Tensor) -> Tensor:
    """Probabilities ``[T, N, K]``, one pass of the whole network for each offset."""
    probabilities = []
    for offset in OFFSETS:
        handle = network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, offset=offset: torch.relu(output + offset * normal[:, None, None])
        )
        try:
            probabilities.append(network(images).double().softmax(1)[:, CLASSES])
        finally:
            handle.remove()
    return torch.stack(probabilities)


@torch.inference_mode()
def with_prefix(split: SplitModel, images: Tensor, normal: Tensor) -> Tensor:
    """Ours with the pass that gives the activations."""
    return shifted_probabilities(split, split.prefix(images), normal, CLASSES)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(rounds: int = 3) -> list[dict[str, str | float]]:
    """Two rows per layer: benchmark, ours_s, peer_s, ratio, target."""
    # The network and the images.
    network = torchvision.models.resnet50(weights=None).eval().to(memory_format=torch.channels_last)
    images = torch.randn(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    images = images.contiguous(memory_format=torch.channels_last)
    rows: list[dict[str, str | float]] = []
    for layer, target in TARGETS.items():
        # One layer of it: activations, a direction, and the ways to move along it.
        split = SplitModel(network, layer)
        with torch.inference_mode():
            activations = split.prefix(images)
        normal = 0.01 * torch.randn(activations.shape[1], generator=torch.Generator().manual_seed(2))
        works: dict[str, Callable[[], object]] = {
            "activations there": partial(
                shifted_probabilities, split=split, activations=activations, normal=normal, classes=CLASSES
            ),
            "with the pass that gives them": partial(with_prefix, split, images, normal),
            "peer": partial(whole_network, network=network, layer=layer, images=images, normal=normal),
        }
        torch.testing.assert_close(works["activations there"](), works["peer"](), rtol=1e-3, atol=1e-5)

        # They take turns.
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                times[name].append(seconds(work))
        median = {name: statistics.median(durations) for name, durations in times.items()}
        peer = median.pop("peer")

        # Rows.
        rows += [
            {
                "benchmark": f"shift of one pair, ResNet-50 {layer}, {IMAGES} images, {len(OFFSETS)} offsets, {name}",
                "ours_s": ours,
                "peer_s": peer,
                "ratio": peer / ours,
                "target": target if name == "activations there" else "",
            }
            for name, ours in median.items()
        ]
    return rows


def main() -> None:
    """Print the table."""
    for row in measure():
        print("  ".join(f"{key}={value:.3f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    main()
