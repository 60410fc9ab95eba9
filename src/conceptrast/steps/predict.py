"""Predict the class of every picture of a dataset's split ``validation``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.data.dataset import open_dataset
from conceptrast.data.loading import views
from conceptrast.errors import DataError
from conceptrast.files import read_json, read_table, write_table
from conceptrast.inference import default_device, predict
from conceptrast.models.opening import open_model
from conceptrast.progress import progress
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write image, label, predicted, probability for the rows of the split ``validation``."""
    table = read_table(index)
    table = table[table["split"] == "validation"]
    if table.empty:
        raise DataError("the dataset has no pictures in its split 'validation'")
    model = open_model(settings["model"], weights, read_json(class_names))
    model.module.to(default_device())
    dataset = open_dataset(settings["dataset"], settings["seed"])
    size = settings["batch_size"]
    batches = views(dataset, table, model.preprocess, size, workers)
    found = predict(model, progress(batches, "predicting", -(-len(table) // size), "batches"), settings["precision"])
    found.insert(1, "label", table["label"].to_numpy())
    write_table(found, predictions)


if __name__ == "__main__":
    run(main)
