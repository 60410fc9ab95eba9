"""Put each class's best patches together and ask the model what it sees. Two chance rows are for comparison."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.concepts.component_prediction import component_prediction, plan_assemblies, skipped_classes
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.concepts.skipped_classes import reasons_to_skip
from conceptrast.data.selection import class_images
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures, the components of its classes, and their patches."""

    predictions: Path
    components: Path
    prototypes: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """One row for each class, recipe, selection and baseline, and one for each skipped class."""

    prediction: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the model's predictions for the patches of every class."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    predictions = read_table(inputs.predictions)
    components = read_arrays(inputs.components)
    recipes = recipes_from_settings(settings["recipes"])
    counts = Counter(predictions["predicted"].tolist())
    # What the model says
    assemblies = plan_assemblies(
        read_table(inputs.prototypes),
        predictions,
        components["classes"].tolist(),
        recipes,
        view=model.preprocess.size,
        seed=settings["seed"],
    )
    verdicts = component_prediction(model, assemblies, pictures.of, counts, precision=settings["precision"])
    # Classes that cannot be asked about
    _, few = class_images(
        predictions,
        settings["min_images"],
        settings["images_per_class"],
        settings["seed"],
        n_classes=len(model.class_names),
        classes=model.class_indices(settings["classes"]),
    )
    reasons = reasons_to_skip(few, settings["min_images"], components, counts)
    skipped = skipped_classes(reasons, model.class_names)
    write_table(pd.concat([verdicts, skipped]).sort_values("class", kind="stable"), outputs.prediction)


if __name__ == "__main__":
    run(main)
