"""Cost of the shift test, ours beside running the whole network with replaced activations.

16 images of 224 pixels, ten offsets, ResNet-50 (random weights) at ``layer3.5`` and ``layer4.2``. The published way
runs the whole network for every offset and replaces the layer's output in a forward hook. Ours has the activations
already and runs the part behind the layer on all offsets in batches, with batch norms folded as in the workflow's step.
A second row counts the one pass that gives them. At ``layer3.5`` the part behind the layer makes a fifth of the
network's multiplications, so in float32 no order of them can reach a ratio of 10: only bfloat16 has a target there.

Run it with ``python benchmarks/shift.py``; ours and theirs take turns, medians of three.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from conceptrast.base.environment import restart_with_environment
from conceptrast.base.memory import keep_memory
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.contrast.shift import OFFSETS, ShiftOptions, shifted_probabilities
from conceptrast.models.inference import autocast
from conceptrast.models.split import SplitModel

IMAGES = 16
CLASSES = [0, 1]
TARGETS = {("layer3.5", "bfloat16"): 10.0, ("layer4.2", "float32"): 50.0, ("layer4.2", "bfloat16"): 50.0}
"""Least ratios where activations are there already, by layer and precision."""
LAYERS = ("layer3.5", "layer4.2")
PRECISIONS = ("float32", "bfloat16")


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
def with_prefix(split: SplitModel, images: Tensor, normal: Tensor, precision: str) -> Tensor:
    """Ours with the pass that gives the activations."""
    with autocast(precision):
        activations = split.prefix(images).float()
    return shifted_probabilities(split, activations, normal, classes=CLASSES, options=ShiftOptions(precision=precision))


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
    for layer in LAYERS:
        # One layer of it: activations, a direction, and the ways to move along it.
        splits = {precision: SplitModel(network, layer).for_inference(precision) for precision in PRECISIONS}
        with torch.inference_mode():
            activations = splits["float32"].prefix(images)
        normal = 0.01 * torch.randn(activations.shape[1], generator=torch.Generator().manual_seed(2))
        works: dict[tuple[str, str], Callable[[], object]] = {}
        for precision, split in splits.items():
            options = ShiftOptions(precision=precision)
            shifted = partial(
                shifted_probabilities, split, activations, normal=normal, classes=CLASSES, options=options
            )
            works[precision, "activations there"] = shifted
            works[precision, "with the pass that gives them"] = partial(
                with_prefix, split, images, normal=normal, precision=precision
            )
        peer = partial(whole_network, network=network, layer=layer, images=images, normal=normal)
        torch.testing.assert_close(works["float32", "activations there"](), peer(), rtol=1e-3, atol=1e-5)

        # They take turns.
        times: dict[tuple[str, str], list[float]] = {key: [] for key in works}
        peer_times: list[float] = []
        for _ in range(rounds):
            for key, work in works.items():
                times[key].append(seconds(work))
            peer_times.append(seconds(peer))
        peer_s = statistics.median(peer_times)

        # Rows.
        for (precision, name), durations in times.items():
            ours = statistics.median(durations)
            target = TARGETS.get((layer, precision), "") if name == "activations there" else ""
            what = f"{IMAGES} images, {len(OFFSETS)} offsets, {precision}, {name}"
            rows.append(
                {
                    "benchmark": f"shift of one pair, ResNet-50 {layer}, {what}",
                    "ours_s": ours,
                    "peer_s": peer_s,
                    "ratio": peer_s / ours,
                    "target": target,
                }
            )
    return rows


def main() -> None:
    """Print the table."""
    keep_memory()
    for row in measure():
        print("  ".join(f"{key}={value:.3f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    restart_with_environment()
    main()
