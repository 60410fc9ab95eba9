"""Make the class activation maps of a view, and the picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.figures.canvas import save_full_png
from conceptrast.figures.saliency import DPI, draw_saliency, saliency_note
from conceptrast.models.split import SplitModel
from conceptrast.saliency.known_concepts import known_concepts
from conceptrast.saliency.maps import subject_maps, target_probabilities, without_activations
from conceptrast.saliency.picture_maps import IMAGES_PER_PAIR, picture_maps
from conceptrast.saliency.subjects import described, set_aside, subjects_of, usable
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import LOGGER, run


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
    split = SplitModel(pictures.model, settings["layer"])
    chosen = subjects_of(pictures.table, said, pictures.model, view, seed)
    chosen = set_aside(chosen, without_activations(pictures, split, usable(chosen)), settings["layer"])
    for reason in chosen.loc[chosen["status"] == "skipped", "reason"].unique():
        LOGGER.warning("%s: left out: %s", settings["name"], reason)
    found = subject_maps(pictures, split, usable(chosen), view["methods"], seed)
    chosen = described(chosen, said, pictures.table, pictures.model.class_names)
    write_arrays(maps, {f"maps_{method}": values for method, values in found.items()})
    write_table(chosen, subjects)
    known = None if truth is None else known_concepts(pictures, read_table(truth))
    own = usable(chosen)
    own = own.assign(probability=target_probabilities(pictures, own))
    rows = picture_maps(pictures, own, found, known, IMAGES_PER_PAIR)
    note = saliency_note(f"{settings['model_name']} at {settings['layer']}", rows, known is not None)
    save_full_png(draw_saliency(rows, f"where it looks: {settings['name']}", note), figure, DPI)


if __name__ == "__main__":
    run(main)
