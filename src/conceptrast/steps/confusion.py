"""Count how often a run's trained models mistake classes, on the pictures that were held out of their training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.figures.canvas import save_png
from conceptrast.figures.confusion import draw_confusion
from conceptrast.models.confusion import confusion
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["models"]``; the class names are those of each model's dataset."""

    predictions: list[Path]
    class_names: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """One table, and a figure for each model."""

    tables: list[Path]
    figures: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write how often pictures of each label are predicted as each class, for every model."""
    files = zip(settings["models"], inputs.predictions, inputs.class_names, outputs.figures, strict=True)
    parts = []
    for model, predictions, class_names, figure in files:
        labels = read_json(class_names)
        counts = confusion(read_table(predictions), labels, _names_of(model["class_names"]) or labels)
        save_png(draw_confusion(counts, model["name"], f"held-out pictures of {model['dataset']}"), figure)
        counts.insert(0, "model", model["name"])
        parts.append(counts)
    [path] = outputs.tables
    write_table(pd.concat(parts, ignore_index=True), path)


def _names_of(entry: list[str] | str | None) -> list[str] | None:
    """Names of a model's classes, if the configuration has them or names their file."""
    if not isinstance(entry, str):
        return entry
    from conceptrast.models.opening import read_class_names  # loads torch, which nothing else here needs

    return read_class_names(Path(entry))


if __name__ == "__main__":
    run(main)
