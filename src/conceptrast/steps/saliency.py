"""Make the class activation maps of a view, and the picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.figures.canvas import save_full_png
from conceptrast.figures.saliency import DPI, draw_saliency
from conceptrast.figures.saliency_view import rows_of_view
from conceptrast.files import read_table, write_arrays, write_table
from conceptrast.models.split import SplitModel
from conceptrast.saliency.maps import subject_maps
from conceptrast.saliency.subjects import described, subjects_of, usable
from conceptrast.saliency.view_truth import known_concepts
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    maps: Path,
    subjects: Path,
    figure: Path,
    truth: Path | None = None,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write a map of every subject by every method, what the subjects are, and the figure of the first of them."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    view, seed = settings["view"], settings["seed"]
    said = read_table(predictions)
    chosen = subjects_of(pictures.table, said, pictures.model, view, seed)
    found = subject_maps(pictures, SplitModel(pictures.model, settings["layer"]), usable(chosen), view["methods"], seed)
    chosen = described(chosen, said, pictures.table, pictures.model.class_names)
    write_arrays(maps, {f"maps_{method}": values for method, values in found.items()})
    write_table(chosen, subjects)
    known = None if truth is None else known_concepts(pictures, read_table(truth))
    note = f"{settings['model_name']} at {settings['layer']}"
    note += "; outlined: the digit that A has and B has not" if known else ""
    rows = rows_of_view(pictures, usable(chosen), found, known)
    save_full_png(draw_saliency(rows, f"where it looks: {settings['name']}", note), figure, DPI)


if __name__ == "__main__":
    run(main)
