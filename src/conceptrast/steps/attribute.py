"""Compute each image's attribution towards the class that the model predicts, for a shard's classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conceptrast.attribution.images import attribute_images
from conceptrast.base.errors import ConfigError, few_classes
from conceptrast.base.files import read_table, write_arrays
from conceptrast.data.selection import class_images
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures."""

    predictions: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Image, target, raw, rectified, multiplier, linear_share and completeness_gap."""

    attribution: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Attribute the images of every ``settings["shards"]``-th class."""
    # All copies of an image run at once, so a batch has fewer pictures.
    batch_size = max(1, settings["batch_size"] // max(1, settings["attribution"]["samples"]))
    pictures = open_pictures({**settings, "batch_size": batch_size}, inputs)
    model = pictures.model
    n_classes = len(model.class_names)
    if n_classes < settings["shards"]:
        raise ConfigError(few_classes(n_classes, settings["shards"], model.name))
    # Which images
    images, _ = class_images(
        read_table(inputs.predictions),
        settings["min_images"],
        settings["images_per_class"],
        settings["seed"],
        n_classes=n_classes,
        classes=model.class_indices(settings["classes"]),
    )
    if not images:
        LOGGER.warning("no class is predicted for %d pictures or more: lower min_images", settings["min_images"])
    classes = list(images)[settings["shard"] :: settings["shards"]]
    targets = {int(image): target for target in classes for image in images[target]}
    # Their attribution
    arrays = attribute_images(
        model,
        settings["layer"],
        pictures.of(np.array(list(targets), dtype=np.int64), "attributing"),
        targets,
        **settings["attribution"],
        seed=settings["seed"],
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    write_arrays(outputs.attribution, arrays)


if __name__ == "__main__":
    run(main)
