"""What the steps of a study open first: the model, where it runs, and the pictures it looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.pictures import Pictures


def open_pictures(
    settings: dict[str, Any], index: Path, class_names: Path, weights: Path | None = None, workers: int = 0
) -> Pictures:
    """Pictures with their model, on the GPU where there is one. Settings: model, dataset, seed, batch_size."""
    model = open_model(settings["model"], weights, read_json(class_names))
    model.module.to(default_device())
    dataset = open_dataset(settings["dataset"], settings["seed"])
    return Pictures(dataset, read_table(index), model, settings["batch_size"], workers)
