"""Cost of attribution, ours beside the published procedure.

16 images of 224 pixels, 5 noise samples each, ResNet-50 (random weights) at ``layer4.2``: the channel means that later
steps need. The published procedure takes one noisy copy at a time, runs the network up to the layer on the copy and
again on the baseline, then Captum's DeepLift on the rest. It is written here at its cheapest: the first part records no
gradients, as Captum's own ``LayerDeepLift`` would. Ours runs copies in batches and the baseline once. At this
layer the rest is a pooling and a linear layer, so nearly all the time is forward passes of the network.

Run it with ``python benchmarks/attribution.py``; ours and theirs take turns, medians of three.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
from captum.attr import DeepLift
from torch import Tensor, nn

from conceptrast.attribution.smooth import smooth_attribution
from conceptrast.models.split import SplitModel
from conceptrast.models.torchvision_ops import torchvision

IMAGES, SAMPLES, NOISE, BASELINE = 16, 5, 0.25, 1.0
TARGETS = {"float32": 2.2, "bfloat16": 4.5}


def published(network: nn.Module, images: Tensor, target: int) -> Tensor:
    """Rectified channel means ``[N, h, w]``, one noisy copy and one doubled batch at a time."""
    *body, pool, linear = network.children()
    prefix, explain = nn.Sequential(*body), DeepLift(nn.Sequential(pool, nn.Flatten(), linear))
    blank = torch.full_like(images[:1], BASELINE)
    generator = torch.Generator().manual_seed(0)
    maps = []
    for image in images:
        total = torch.zeros(())
        for _ in range(SAMPLES):
            noisy = image[None] + NOISE * torch.randn(image[None].shape, generator=generator)
            with torch.no_grad():
                activations, start = prefix(torch.cat([noisy, blank])).split(1)
            total = total + explain.attribute(activations, start, target=target).detach()
        maps.append((total / SAMPLES).clamp(min=0).mean(1))
    return torch.cat(maps)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(rounds: int = 3) -> list[dict[str, str | float]]:
    """One row per measurement: benchmark, ours_s, peer_s, ratio, target."""
    network = torchvision.models.resnet50(weights=None).eval()
    images = torch.randn(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    split = SplitModel(network, "layer4.2")
    ours = partial(smooth_attribution, split, images, 0, samples=SAMPLES, noise=NOISE, baseline=BASELINE)
    times: dict[str, list[float]] = {"published": [], **{precision: [] for precision in TARGETS}}
    for _ in range(rounds):
        times["published"].append(seconds(partial(published, network, images, target=0)))
        for precision in TARGETS:
            times[precision].append(seconds(partial(ours, precision=precision)))
    peer = statistics.median(times["published"])
    rows: list[dict[str, str | float]] = []
    for precision, target in TARGETS.items():
        ours_s = statistics.median(times[precision])
        name = f"attribution, ResNet-50 layer4.2, {IMAGES} images × {SAMPLES} samples, {precision}"
        rows.append({"benchmark": name, "ours_s": ours_s, "peer_s": peer, "ratio": peer / ours_s, "target": target})
    return rows


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore", category=UserWarning, module="captum")
    for row in measure():
        print("  ".join(f"{key}={value:.2f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    main()
