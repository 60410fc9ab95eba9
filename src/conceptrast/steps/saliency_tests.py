"""Test the maps of a view: faithfulness, parameter randomisation and, if it is known, the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.progress import counted
from conceptrast.figures.canvas import save_png
from conceptrast.figures.saliency_tests import draw_saliency_tests
from conceptrast.saliency.known_concepts import known_concepts
from conceptrast.saliency.subject_maps import grid_of
from conceptrast.saliency.subjects import in_first_images, usable
from conceptrast.saliency.view_tests import view_faithfulness, view_randomisation, view_truth, with_chance
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the maps of the view and its subjects, and the objects in the pictures with their places, if known."""

    maps: Path
    subjects: Path
    truth: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Tables with a row for each step of a curve, stage of the randomisation, or known picture; and the curves."""

    faithfulness: Path
    randomisation: Path
    recovery: Path
    figure: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the results of the tests of a view."""
    pictures = open_pictures(settings, inputs)
    layer = settings["layer"]
    seed = settings["seed"]
    # The maps, beside chance
    subjects = usable(read_table(inputs.subjects))
    maps = {name.removeprefix("maps_"): values for name, values in read_arrays(inputs.maps).items()}
    beside_chance = with_chance(maps, grid_of(pictures, layer), seed)
    # The truth, of all subjects
    known = None if inputs.truth is None else known_concepts(pictures, read_table(inputs.truth))
    write_table(view_truth(pictures, layer, subjects, beside_chance, known=known), outputs.recovery)
    # The other tests, of the first subjects
    first = in_first_images(subjects, settings["tested"])
    first_subjects = subjects[first].reset_index(drop=True)
    first_maps = [method_maps._replace(maps=method_maps.maps[first]) for method_maps in beside_chance]
    faithfulness = view_faithfulness(pictures, first_subjects, first_maps, settings["percentiles"], seed=seed)
    randomisation = view_randomisation(pictures, layer, first_subjects, list(maps), seed=seed)
    note = f"{settings['model_name']} at {layer}, {counted(first_subjects['image'].nunique(), 'pictures')}"
    title = f"tests of the maps: {settings['name']}"
    save_png(draw_saliency_tests(faithfulness, randomisation, title, note), outputs.figure)
    write_table(randomisation, outputs.randomisation)
    write_table(faithfulness, outputs.faithfulness)


if __name__ == "__main__":
    run(main)
