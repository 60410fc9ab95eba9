"""Make the class activation maps of a view, and a figure of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.figures.canvas import save_full_png
from conceptrast.figures.saliency import DPI, draw_saliency, saliency_note
from conceptrast.models.split import SplitModel
from conceptrast.saliency.cards import IMAGES_PER_PAIR, picture_maps
from conceptrast.saliency.known_concepts import known_concepts
from conceptrast.saliency.subject_maps import subject_maps, target_probabilities, without_activations
from conceptrast.saliency.subjects import skip_subjects, subjects_of, usable, with_picture_facts
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures. With ``truth``, the figure outlines where two classes differ."""

    predictions: Path
    truth: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """A map of every subject by every method, a table of the subjects, and a figure of the first subjects."""

    maps: Path
    subjects: Path
    figure: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the maps of a view."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    layer = settings["layer"]
    # The subjects
    predictions = read_table(inputs.predictions)
    split = SplitModel(model, layer)
    subjects = subjects_of(pictures.table, predictions, model, settings["view"], seed=settings["seed"])
    subjects = skip_subjects(subjects, without_activations(pictures, split, usable(subjects)), layer)
    for reason in subjects.loc[subjects["status"] == "skipped", "reason"].unique():
        LOGGER.warning("%s: left out: %s", settings["name"], reason)
    # Their maps
    maps = subject_maps(pictures, split, usable(subjects), settings["view"]["methods"], seed=settings["seed"])
    subjects = with_picture_facts(subjects, predictions, pictures.table, model.class_names)
    write_arrays(outputs.maps, {f"maps_{method}": values for method, values in maps.items()})
    write_table(subjects, outputs.subjects)
    # The figure
    known = None if inputs.truth is None else known_concepts(pictures, read_table(inputs.truth))
    mapped = usable(subjects)
    mapped = mapped.assign(probability=target_probabilities(pictures, mapped))
    rows = picture_maps(pictures, mapped, maps, known=known, per_pair=IMAGES_PER_PAIR)
    note = saliency_note(f"{settings['model_name']} at {layer}", rows, known is not None)
    save_full_png(draw_saliency(rows, f"where it looks: {settings['name']}", note), outputs.figure, DPI)


if __name__ == "__main__":
    run(main)
