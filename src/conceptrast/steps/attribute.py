"""Attribute each image of a shard's classes to the class the model predicts for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from conceptrast.attribution.images import attribute_images
from conceptrast.base.files import read_table, write_arrays
from conceptrast.data.selection import class_images
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import LOGGER, run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    attribution: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write image, target, raw, rectified, multiplier and completeness_gap of every ``settings["shards"]``-th class."""
    # All copies of an image run at once, so a batch of pictures is as much smaller.
    size = max(1, settings["batch_size"] // max(1, settings["attribution"]["samples"]))
    pictures = open_pictures({**settings, "batch_size": size}, index, class_names, weights, workers)
    model = pictures.model
    chosen, _ = class_images(
        read_table(predictions),
        settings["min_images"],
        settings["images_per_class"],
        settings["seed"],
        len(model.class_names),
        model.class_indices(settings["classes"]),
    )
    if not chosen:
        LOGGER.warning("no class is predicted for %d pictures or more: lower min_images", settings["min_images"])
    shard = list(chosen)[settings["shard"] :: settings["shards"]]
    targets = {int(image): each for each in shard for image in chosen[each]}
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
    write_arrays(attribution, arrays)


if __name__ == "__main__":
    run(main)
