"""Shift the activations of a shard's classes along the normals of drawn pairs, and along random directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import write_table
from conceptrast.concepts.classes import read_attributions
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.images import class_activations, drawn_images, images_by_class
from conceptrast.contrast.planes import Planes
from conceptrast.contrast.shift import draw_pairs, shift_table
from conceptrast.models.inference import device_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    attribution: Path,
    features: list[Path],
    hyperplanes: list[Path],
    shift: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the probabilities of both classes of every drawn pair whose first class is in the attribution file."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    seed, precision = settings["seed"], settings["precision"]
    here, most = images_by_class(read_attributions([attribution])), settings["images_per_pair"]
    draws = draw_pairs(list(FeatureBank(features)), settings["pairs_per_draw"], settings["runs"], seed)
    drawn = sorted({pair for pairs in draws for pair in pairs if pair[0] in here})
    planes = {name: Planes(hyperplanes, name, drawn) for name in settings["hyperplanes"]}
    images = {first: drawn_images(here[first], first, most, seed) for first, _ in drawn}
    split, device = SplitModel(pictures.model, settings["layer"]), device_of(pictures.model)
    found = class_activations(pictures, split, images, precision, "")
    classes = ((target, activations.to(device)) for target, activations in found)
    options = {"seed": seed, "precision": precision, "batch_size": settings["batch_size"]}
    options["names"] = pictures.model.class_names
    write_table(shift_table(split, classes, planes, draws, offsets=settings["offsets"], **options), shift)


if __name__ == "__main__":
    run(main)
