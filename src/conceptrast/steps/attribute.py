"""Attribute each image of a shard's classes to the class the model predicts for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.attribution.images import attribute_images
from conceptrast.data.dataset import open_dataset
from conceptrast.data.loading import views
from conceptrast.files import read_json, read_table, write_arrays
from conceptrast.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.progress import progress
from conceptrast.selection import class_images
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
    model = open_model(settings["model"], weights, read_json(class_names))
    model.module.to(default_device())
    names = settings["classes"]
    chosen, _ = class_images(
        read_table(predictions),
        settings["min_images"],
        settings["images_per_class"],
        settings["seed"],
        len(model.class_names),
        None if names is None else [model.class_index(name) for name in names],
    )
    if not chosen:
        LOGGER.warning("no class is predicted for %d pictures or more: lower min_images", settings["min_images"])
    shard = list(chosen)[settings["shard"] :: settings["shards"]]
    targets = {int(image): each for each in shard for image in chosen[each]}
    table = read_table(index).set_index("image", drop=False).loc[list(targets)]
    # All copies of an image run at once, so a batch of pictures is as much smaller.
    copies = max(1, settings["attribution"]["samples"])
    size = max(1, settings["batch_size"] // copies)
    dataset = open_dataset(settings["dataset"], settings["seed"])
    batches = views(dataset, table, model.preprocess, size, workers)
    arrays = attribute_images(
        model,
        settings["layer"],
        progress(batches, "attributing", -(-len(table) // size), "batches"),
        targets,
        **settings["attribution"],
        seed=settings["seed"],
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    write_arrays(attribution, arrays)


if __name__ == "__main__":
    run(main)
