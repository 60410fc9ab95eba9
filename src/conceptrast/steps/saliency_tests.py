"""Test the maps of a view: faithfulness, parameter randomisation and, where it is known, the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.figures.canvas import save_png
from conceptrast.figures.saliency_tests import draw_saliency_tests
from conceptrast.saliency.known_concepts import known_concepts
from conceptrast.saliency.maps import grid_of
from conceptrast.saliency.subjects import first_of, usable
from conceptrast.saliency.view_tests import view_faithfulness, view_randomisation, view_truth, with_chance
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
    known = None if truth is None else known_concepts(pictures, read_table(truth))
    everything = with_chance(own, grid_of(pictures, layer), seed)
    write_table(view_truth(pictures, layer, chosen, everything, known), recovery)
    first = first_of(chosen, settings["tested"])
    tested = chosen[first].reset_index(drop=True)
    maps_of = [each._replace(maps=each.maps[first]) for each in everything]
    faithful = view_faithfulness(pictures, tested, maps_of, settings["percentiles"], seed)
    random = view_randomisation(pictures, layer, tested, list(own), seed)
    note = f"{settings['model_name']} at {layer}, {tested['image'].nunique()} pictures"
    save_png(draw_saliency_tests(faithful, random, f"tests of the maps: {settings['name']}", note), figure)
    write_table(random, randomisation)
    write_table(faithful, faithfulness)


if __name__ == "__main__":
    run(main)
