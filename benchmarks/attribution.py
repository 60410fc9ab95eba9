"""Cost of attribution, ours beside the published procedure.

16 images of 224 pixels, 5 noise samples each, ResNet-50 (random weights) at ``layer4.2``: the channel means that later
steps need. The published procedure takes one noisy copy at a time and runs the whole network on it and on the baseline:
Captum's ``LayerDeepLift``, called plainly. Ours runs copies in batches and the baseline once. At this layer the rest of
the network is a pooling and a linear layer, so nearly all the time is forward passes. A second peer, ``no gradients``,
is kinder than the published procedure: the part before the layer records no gradients, which Captum's call does. The
third, ``forward``, is no attribution: the whole network, called plainly, classifies as many pictures as there are
copies. It is the floor of any procedure that looks at every copy.

Run it with ``python benchmarks/attribution.py``; ours and theirs take turns, medians of three.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from captum.attr import DeepLift, LayerDeepLift
from torch import Tensor, nn

from conceptrast.attribution.smooth import smooth_attribution
from conceptrast.base.environment import restart_with_environment
from conceptrast.base.memory import keep_memory
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.inference import autocast
from conceptrast.models.split import SplitModel

IMAGES = 16
SAMPLES = 5
NOISE = 0.25
BASELINE = 1.0
BATCH = 64
#: Target in bfloat16 beside the published procedure where the processor has no AMX; 5.3 to 5.5 was measured there.
BFLOAT16_WITHOUT_AMX = 5.0
#: Attribution runs at least at this share of the throughput of a forward pass.
FORWARD_TARGET = 0.92


def targets() -> dict[str, float]:
    """What to reach beside the published procedure, by precision; bfloat16 gains most where the processor has AMX."""
    info = Path("/proc/cpuinfo")
    has_amx = info.is_file() and "amx_bf16" in info.read_text().split()
    return {"float32": 3.0, "bfloat16": 7.0 if has_amx else BFLOAT16_WITHOUT_AMX}


Attribute = Callable[[Tensor, Tensor], Tensor]


def one_by_one(attribute: Attribute, images: Tensor) -> Tensor:
    """Rectified channel means ``[N, h, w]``, one noisy copy and one doubled batch at a time."""
    blank = torch.full_like(images[:1], BASELINE)
    generator = torch.Generator().manual_seed(0)
    maps = []
    for image in images:
        total = torch.zeros(())
        for _ in range(SAMPLES):
            noisy = image[None] + NOISE * torch.randn(image[None].shape, generator=generator)
            total = total + attribute(noisy, blank)
        maps.append((total / SAMPLES).clamp(min=0).mean(1))
    return torch.cat(maps)


def plain(network: nn.Module) -> Attribute:
    """Captum's attribution to the layer, called as its documentation shows."""
    explain = LayerDeepLift(network, network.get_submodule("layer4.2"))
    return lambda noisy, blank: explain.attribute(noisy, blank, target=0).detach()


def no_gradients(network: nn.Module) -> Attribute:
    """The same with the part before the layer run without gradients."""
    *body, pool, linear = network.children()
    prefix = nn.Sequential(*body)
    explain = DeepLift(nn.Sequential(pool, nn.Flatten(), linear))

    def attribute(noisy: Tensor, blank: Tensor) -> Tensor:
        with torch.no_grad():
            activations, start = prefix(torch.cat([noisy, blank])).split(1)
        return explain.attribute(activations, start, target=0).detach()

    return attribute


@torch.inference_mode()
def forward(network: nn.Module, pictures: Tensor, precision: str) -> Tensor:
    """Logits of the whole network, in batches."""
    batches = pictures.contiguous(memory_format=torch.channels_last).split(BATCH)
    with autocast(precision):
        return torch.cat([network(batch) for batch in batches])


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(rounds: int = 3) -> list[dict[str, str | float]]:
    """One row per measurement: benchmark, ours_s, peer_s, ratio, target."""
    # The network, the images, and both ways to attribute.
    network = torchvision.models.resnet50(weights=None).eval()
    images = torch.randn(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    split = SplitModel(network, "layer4.2")
    ours = partial(smooth_attribution, split, images, 0, samples=SAMPLES, noise=NOISE, baseline=BASELINE)
    peers = {"plain": plain(network), "no gradients": no_gradients(network)}

    # Both peers compute the same.
    torch.testing.assert_close(one_by_one(peers["plain"], images[:1]), one_by_one(peers["no gradients"], images[:1]))

    # They take turns.
    aims = targets()
    pictures = images.repeat_interleave(SAMPLES, dim=0)
    works: dict[str, Callable[[], object]] = {name: partial(one_by_one, peer, images) for name, peer in peers.items()}
    for precision in aims:
        works[precision] = partial(ours, precision=precision)
        works[f"forward {precision}"] = partial(forward, network, pictures, precision)
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    median = {name: statistics.median(durations) for name, durations in times.items()}

    # Rows: Captum's time for the same, and a forward pass of as many pictures.
    what = f"attribution, ResNet-50 layer4.2, {IMAGES} images × {SAMPLES} samples"
    peer_rows = [(precision, f"Captum, {peer}", peer) for peer in peers for precision in aims]
    forward_rows = [
        (precision, f"forward pass of {len(pictures)} images", f"forward {precision}") for precision in aims
    ]
    goals: dict[str, dict[str, float]] = {
        "plain": aims,
        **{key: {precision: FORWARD_TARGET} for precision, _, key in forward_rows},
    }
    return [
        {
            "benchmark": f"{what}, {precision}; peer: {peer}",
            "ours_s": median[precision],
            "peer_s": median[key],
            "ratio": median[key] / median[precision],
            "target": goals.get(key, {}).get(precision, ""),
        }
        for precision, peer, key in peer_rows + forward_rows
    ]


def main() -> None:
    """Print the table."""
    keep_memory()
    warnings.filterwarnings("ignore", category=UserWarning, module="captum")
    for row in measure():
        print("  ".join(f"{key}={value:.2f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    restart_with_environment()
    main()
