"""What the trained models of a run take for what, on the pictures held out of their training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.figures.canvas import save_png
from conceptrast.figures.confusion import draw_confusion
from conceptrast.models.confusion import confusion
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    predictions: list[Path],
    class_names: list[Path],
    tables: list[Path],
    figures: list[Path],
) -> None:
    """Files come in the order of ``settings["models"]``; class names are those of each model's dataset."""
    parts = []
    for model, said, names, figure in zip(settings["models"], predictions, class_names, figures, strict=True):
        labels = read_json(names)
        own = model["class_names"]
        outputs = _names_in(Path(own)) if isinstance(own, str) else own or labels
        part = confusion(read_table(said), labels, outputs)
        save_png(draw_confusion(part, model["name"], f"held-out pictures of {model['dataset']}"), figure)
        part.insert(0, "model", model["name"])
        parts.append(part)
    [path] = tables
    write_table(pd.concat(parts, ignore_index=True), path)


def _names_in(file: Path) -> list[str]:
    from conceptrast.models.opening import read_class_names  # loads torch, which nothing else here needs

    return read_class_names(file)


if __name__ == "__main__":
    run(main)
