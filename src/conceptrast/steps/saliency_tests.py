"""Test the maps of a view: faithfulness, parameter randomisation and, where it is known, the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.figures.canvas import save_png
from conceptrast.figures.saliency import draw_saliency_tests
from conceptrast.files import read_arrays, read_table, write_table
from conceptrast.saliency.subjects import usable
from conceptrast.saliency.view_tests import view_faithfulness, view_randomisation, view_truth
from conceptrast.saliency.view_truth import known_concepts
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    maps: Path,
    subjects: Path,
    faithfulness: Path,
    randomisation: Path,
    recovery: Path,
    figure: Path,
    truth: Path | None = None,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write a row for every step of every curve, every stage of the randomisation, every known picture; and curves."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    chosen, seed, layer = usable(read_table(subjects)), settings["seed"], settings["layer"]
    own = {name.removeprefix("maps_"): values for name, values in read_arrays(maps).items()}
    faithful = view_faithfulness(pictures, layer, chosen, own, settings["percentiles"], seed)
    random = view_randomisation(pictures, layer, chosen, list(own), seed)
    known = None if truth is None else known_concepts(pictures, read_table(truth))
    note = f"{settings['model_name']} at {layer}, {chosen['image'].nunique()} pictures"
    save_png(draw_saliency_tests(faithful, random, f"tests of the maps: {settings['name']}", note), figure)
    write_table(view_truth(pictures, layer, chosen, own, known, seed), recovery)
    write_table(random, randomisation)
    write_table(faithful, faithfulness)


if __name__ == "__main__":
    run(main)
