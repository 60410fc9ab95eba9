"""Predict the class of every picture of a dataset's split ``validation``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.errors import DataError
from conceptrast.base.files import write_table
from conceptrast.models.inference import predict
from conceptrast.steps.opening import open_pictures
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
    pictures = open_pictures(settings, index, class_names, weights, workers)
    table = pictures.table[pictures.table["split"] == "validation"]
    if table.empty:
        raise DataError("the dataset has no pictures in its split 'validation'")
    found = predict(pictures.model, pictures.of(table["image"].to_numpy(), "predicting"), settings["precision"])
    found.insert(1, "label", table["label"].to_numpy())
    write_table(found, predictions)


if __name__ == "__main__":
    run(main)
