"""Open what all steps with pictures need first: the model, its device, and the pictures."""

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
    """The files that pictures and their model are opened from.

    Args:
        index: table of the dataset's pictures.
        class_names: class names of the dataset.
        weights: weights of a model that the workflow trains.
        workers: number of processes that decode pictures; 0 decodes them in the step itself.
    """

    index: Path
    class_names: Path
    weights: Path | None = None
    workers: int = 0


def open_pictures(settings: dict[str, Any], inputs: PictureInputs) -> Pictures:
    """Pictures with their model, on the GPU if there is one. Settings: model, dataset, seed, batch_size."""
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
    """MD5 of a table as CSV. It is part of the key of a training's checkpoint."""
    return hashlib.md5(table.to_csv(index=False).encode(), usedforsecurity=False).hexdigest()
