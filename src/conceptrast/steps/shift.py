"""Shift the activations of a shard's classes along the normals of drawn pairs, and along random directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.files import write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.contrast.features import FeatureBank, telling_positions
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.images import class_activations, drawn_images, images_by_class
from conceptrast.contrast.shift import ShiftOptions, draw_pairs, shift_table
from conceptrast.models.inference import device_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the attribution of the shard's classes, and the features and hyperplanes of all shards."""

    attribution: Path
    features: list[Path]
    hyperplanes: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Probabilities of both classes of every drawn pair, at every offset."""

    shift: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Shift the drawn pairs whose first class is in the attribution file."""
    pictures = open_pictures(settings, inputs)
    seed = settings["seed"]
    # Which pairs
    attribution = read_attributions([inputs.attribution])
    images = images_by_class(attribution)
    draws = draw_pairs(list(FeatureBank(inputs.features)), settings["pairs_per_draw"], settings["runs"], seed)
    pairs = sorted({pair for draw in draws for pair in draw if pair[0] in images})
    planes = {name: Planes(inputs.hyperplanes, name, pairs) for name in settings["hyperplanes"]}
    # Which images of their first classes
    most = settings["images_per_pair"]
    drawn = {first: drawn_images(images[first], first, most, seed) for first, _ in pairs}
    # Their activations, class by class
    split = SplitModel(pictures.model, settings["layer"]).for_inference(settings["precision"])
    stream = class_activations(pictures, split.complete, drawn, settings["precision"], what="")
    device = device_of(pictures.model)
    options = ShiftOptions(
        offsets=settings["offsets"],
        seed=seed,
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    classes = ((target, activations.to(device)) for target, activations in stream)
    attributed = settings["shift_at"] == "attributed"
    table = shift_table(
        split,
        classes,
        planes,
        draws,
        options=options,
        names=pictures.model.class_names,
        positions=telling_of_images(attribution, drawn, settings["contrast"], device) if attributed else {},
    )
    write_table(table, outputs.shift)


def telling_of_images(
    attribution: Mapping[str, np.ndarray],
    images: Mapping[int, np.ndarray],
    settings: Mapping[str, Any],
    device: torch.device,
) -> dict[int, Tensor]:
    """By class the positions ``[N, h, w]`` of its images that speak for it: those that features come from."""
    positions = {}
    for target, ids in images.items():
        of_class = np.flatnonzero(attribution["target"] == target)
        place = {int(image): row for image, row in zip(attribution["image"][of_class], of_class, strict=True)}
        maps = attribution[settings["attribution"]][[place[int(image)] for image in ids]]
        positions[target] = torch.from_numpy(telling_positions(maps, settings["threshold"])).to(device)
    return positions


if __name__ == "__main__":
    run(main)
