"""What the steps that look at pictures open first: the model, where it runs, and the pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_json, read_table
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.pictures import Pictures


@dataclass(frozen=True, kw_only=True)
class PictureInputs:
    """What pictures and their model are opened from.

    Args:
        index: table of the dataset's pictures.
        class_names: of the dataset.
        weights: of a model that the workflow trains.
        workers: processes that decode pictures; 0 decodes them in the step itself.
    """

    index: Path
    class_names: Path
    weights: Path | None = None
    workers: int = 0


def open_pictures(settings: dict[str, Any], inputs: PictureInputs) -> Pictures:
    """Pictures with their model, on the GPU where there is one. Settings: model, dataset, seed, batch_size."""
    model = open_model(settings["model"], inputs.weights, read_json(inputs.class_names))
    model.module.to(default_device())
    return Pictures(
        open_dataset(settings["dataset"], settings["seed"]),
        read_table(inputs.index),
        model,
        settings["batch_size"],
        workers=inputs.workers,
    )


def md5_of(table: pd.DataFrame) -> str:
    """md5 of a table as CSV: part of the key of a training's checkpoint."""
    return hashlib.md5(table.to_csv(index=False).encode(), usedforsecurity=False).hexdigest()
