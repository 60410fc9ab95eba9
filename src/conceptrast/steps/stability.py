"""Factorize other images of every class, and see whether its components come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.concepts.recipes import factors_in_use, recipes_from_settings
from conceptrast.concepts.stability import CardComponents, stability_rows
from conceptrast.concepts.stability_samples import Fitting, Redraws, class_samples, sample_components
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run

CLASSES_AT_ONCE = 64
"""The attributions of the samples of so many classes are in memory together."""


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures, the attributions of all shards, and the components."""

    predictions: Path
    attributions: list[Path]
    components: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """One row for each class, recipe, sample and component."""

    stability: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write how near the components of other images are. Settings: stability, attribution, recipes, rectify, solver."""
    pictures = open_pictures(settings, inputs)
    split = SplitModel(pictures.model, settings["layer"])
    attribution = read_attributions(inputs.attributions)
    predictions = read_table(inputs.predictions)
    sets = read_arrays(inputs.components)
    factors = factors_in_use(settings["recipes"])
    fitting = Fitting(factors, settings["seed"], settings["rectify"], settings["solver"])
    redraws = Redraws(
        attribution=settings["attribution"],
        draws=settings["stability"]["draws"],
        seed=settings["seed"],
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    card = CardComponents.of(sets, factors)
    recipes = recipes_from_settings(settings["recipes"])
    parts = []
    for targets in _groups(sets["classes"].tolist()):
        classes = class_samples(pictures, split.layer, attribution, predictions, targets=targets, redraws=redraws)
        components = sample_components(pictures, split, classes, fitting, precision=settings["precision"])
        rows = stability_rows(
            card,
            components,
            classes,
            recipes,
            class_names=pictures.model.class_names,
            seed=settings["seed"],
        )
        parts.append(rows)
    write_table(pd.concat(parts, ignore_index=True), outputs.stability)


def _groups(classes: Sequence[int]) -> list[Sequence[int]]:
    """Some classes at a time; one empty group if there are none."""
    return [classes[start : start + CLASSES_AT_ONCE] for start in range(0, max(len(classes), 1), CLASSES_AT_ONCE)]


if __name__ == "__main__":
    run(main)
