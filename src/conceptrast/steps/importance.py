"""Take the components of every class out of its images: how much each matters, and how much they carry together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conceptrast.base.files import read_arrays, write_table
from conceptrast.concepts.attributed_images import by_class, read_attributions
from conceptrast.concepts.fidelity import mean_curves
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.concepts.removals import RemovalOptions, removal_images, study_components, study_removals
from conceptrast.figures.canvas import save_png
from conceptrast.figures.fidelity import draw_fidelity
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the attributions of all shards, and the components of every class."""

    attributions: list[Path]
    components: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Rows for each image: of every component, of every step of a curve, and of the image made of components."""

    importance: Path
    curves: Path
    answers: Path
    figure: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write what is left of each class without its components. Settings: importance, recipes, study."""
    pictures = open_pictures(settings, inputs)
    split = SplitModel(pictures.model, settings["layer"])
    attribution = read_attributions(inputs.attributions)
    sets = read_arrays(inputs.components)
    options = RemovalOptions(**settings["importance"], seed=settings["seed"])
    # Some images of every class
    chosen = {
        target: removal_images(attribution["image"][attribution["target"] == target], target, options)
        for target in sets["classes"].tolist()
    }
    images = np.concatenate([*chosen.values(), np.empty(0, np.int64)]).astype(np.int64)
    targets = np.repeat(list(chosen), [len(ids) for ids in chosen.values()])
    batches = activations_of(pictures.model, split.complete, pictures.of(images, "taking out"), settings["precision"])
    # Without their components
    removals = study_removals(
        ((target, chosen[target], activations) for target, activations, _ in by_class(batches, targets)),
        {
            recipe.name: study_components(sets, attribution, recipe)
            for recipe in recipes_from_settings(settings["recipes"])
        },
        split,
        options,
        class_names=pictures.model.class_names,
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    write_table(removals.importance, outputs.importance)
    write_table(removals.curves, outputs.curves)
    write_table(removals.answers, outputs.answers)
    save_png(draw_fidelity(mean_curves(removals.curves), settings["study"]), outputs.figure)


if __name__ == "__main__":
    run(main)
