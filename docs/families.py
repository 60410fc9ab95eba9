"""Try the smallest member of every family of torchvision's classifiers: ``python docs/families.py``.

It writes the table of ``docs/families.md`` anew. Nothing is downloaded: weights are drawn.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import skimage
import torch
from PIL import Image
from torch import Tensor, nn

from conceptrast.attribution.smooth import smooth_attribution
from conceptrast.base.errors import ConceptrastError, LayerError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.concepts.class_factorization import class_weights, weighted_rows
from conceptrast.concepts.nmf import nmf
from conceptrast.models.layers import last_spatial_layer, layer_maps
from conceptrast.models.model import Model
from conceptrast.models.opening import load_model
from conceptrast.models.split import SplitModel
from conceptrast.models.torchvision_family import architectures
from conceptrast.saliency.grad_cam import class_activation_maps
from conceptrast.saliency.targets import Target

DOCUMENT = Path(__file__).with_name("families.md")
BLOCK = re.compile(r"(<!-- families -->\n).*?(<!-- end -->)", re.DOTALL)
SIDE = 128
"""Pixels of the pictures' sides, for networks that take any size."""
FIXED_SIZE = {"maxvit"}
"""Families whose windows fit only the size of their published weights."""
TOLERATED = 0.01
"""An attribution is complete if its sum misses the change of the logit by at most this share."""


def smallest_members() -> dict[str, str]:
    """The architecture with the fewest weights of every family; a family is a module of torchvision."""
    sizes: dict[str, dict[str, int]] = {}
    for name in architectures():
        family = torchvision.models.get_model_builder(name).__module__.rpartition(".")[2]
        weights = next(iter(torchvision.models.get_model_weights(name)))
        sizes.setdefault(family, {})[name] = weights.meta["num_params"]
    return {family: min(members, key=lambda name: members[name]) for family, members in sorted(sizes.items())}


def opened(family: str, name: str) -> tuple[Model, Tensor]:
    """The model with drawn weights, and two photographs as it sees them, normalised ``[2, 3, H, W]``."""
    model = load_model(name, input_size=None if family in FIXED_SIZE else SIDE)
    photographs = (skimage.data.chelsea(), skimage.data.coffee())
    views = torch.stack([model.preprocess.view(Image.fromarray(photograph)) for photograph in photographs])
    images = model.preprocess.normalise(views)
    # Some tensors start constant: heads at zero, scales of layers at 1e-6. Then nothing behind them does anything.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.module.parameters():
            if bool((weight == weight.flatten()[0]).all()):
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
        # Batch norms learn the statistics of the photographs: otherwise activations fade on the way.
        norms = [part for part in model.module.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        model.module(images)
        model.module.eval()
    return model, images


def rows_of(family: str, name: str) -> Iterator[dict[str, str]]:
    """What can be done with one network, at its default layer and at one that is finer, or in its middle."""
    model, images = opened(family, name)
    head = {"family": family, "member": name}
    try:
        default = last_spatial_layer(model)
        shapes = {layer: maps.shape for layer, maps in layer_maps(model).items() if _positions(maps.shape) > 1}
    except ConceptrastError as error:
        yield head | {"components": f"no: {error}"}
        return
    split = SplitModel(model, default)
    with torch.no_grad():
        positions = _positions(split.prefix(images).shape[1:])
    finer = [layer for layer, shape in shapes.items() if _positions(shape) >= 4 * positions]
    other = finer[0] if finer else list(shapes)[len(shapes) // 2]
    yield head | {"layers": str(len(shapes))} | _explained(split, images)
    yield _explained(SplitModel(model, other), images)


def _positions(shape: Sequence[int]) -> int:
    return shape[1] * shape[2] if len(shape) == 3 else 0


def _explained(split: SplitModel, images: Tensor) -> dict[str, str]:
    """How near the halves are to the network, how complete attributions are, and what can be made of them."""
    # The cut
    complete = split.complete
    with torch.no_grad():
        maps = split.prefix(images)
        logits = split.network(images)
        halves = complete.suffix(complete.prefix(images))
        off = float((logits - halves).abs().max() / logits.abs().max())
        change = logits - split.network(torch.ones_like(images[:1]))
    row = {
        "layer": f"`{split.layer}`",
        "its own layout": str(split.layout),
        "maps": "×".join(map(str, maps.shape[1:])),
        "cut": "exact" if off == 0 else f"{off:.0e}",
    }
    # The attributions, towards the class whose logit changes most
    targets = change.argmax(1)
    attributions = {
        method: smooth_attribution(split, images, targets, method, samples=0, warn=False)
        for method in ("deeplift", "integrated_gradients")
    }
    gaps = {method: float(attribution.gap.max()) for method, attribution in attributions.items()}
    # DeepLift costs one pass, integrated gradients 32.
    best = next((method for method, gap in gaps.items() if gap <= TOLERATED), min(gaps, key=lambda name: gaps[name]))
    attribution = attributions[best]
    row |= {
        "DeepLift's gap": _percent(gaps["deeplift"]),
        "gap of integrated gradients": _percent(gaps["integrated_gradients"]),
        "attribute with": f"`{best}`" + ("" if gaps[best] <= TOLERATED else ", not complete"),
    }
    # Components and maps
    arrays = {"rectified": attribution.rectified.numpy(), "multiplier": attribution.multiplier.numpy()}
    weights = class_weights(arrays, "position")
    try:
        nmf(weighted_rows(maps, weights)[0], 2)
        row["components"] = "yes"
    except LayerError:  # negative values
        rows, removed = weighted_rows(maps, weights, rectify=True)
        nmf(rows, 2)
        row["components"] = f"with `rectify` (removes {100 * removed:.0f} %)"
    heat = class_activation_maps(split, images, [Target(int(target)) for target in targets])
    flat = int((np.ptp(heat, axis=(1, 2)) == 0).sum())
    return row | {"Grad-CAM": f"flat for {flat} of {len(images)} pictures" if flat else "yes"}


def _percent(share: float) -> str:
    """A share with two digits, or without decimals above 10 %."""
    if share < 0.0005:
        return "< 0.05 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def table() -> str:
    """The rows of all families, in Markdown."""
    rows = []
    for family, name in smallest_members().items():
        logging.getLogger("families").info("%s: %s", family, name)
        rows += rows_of(family, name)
    frame = pd.DataFrame(rows).fillna("")
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the document."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = table()
    DOCUMENT.write_text(BLOCK.sub(lambda block: block[1] + rows + block[2], DOCUMENT.read_text()))


if __name__ == "__main__":
    main()
