"""Put each class's best patches together and ask the model what it sees, beside two chance rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.concepts.component_prediction import component_prediction, plan_assemblies, skipped_classes
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.data.selection import class_images
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    components: Path,
    prototypes: Path,
    prediction: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write one row per class, recipe, selection and baseline, and one per class that was skipped."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    model, names = pictures.model, pictures.model.class_names
    said, found = read_table(predictions), read_arrays(components)
    recipes, seed = recipes_from_settings(settings["recipes"]), settings["seed"]
    classes = model.class_indices(settings["classes"])
    _, skipped = class_images(said, settings["min_images"], settings["images_per_class"], seed, len(names), classes)
    counts = Counter(said["predicted"].tolist())
    few = f"fewer than min_images = {settings['min_images']} images are predicted as the class"
    reasons = {row["class"]: (row["n_images"], few) for row in skipped.to_dict("records")}
    empty = zip(found["skipped"].tolist(), found["skipped_reason"].tolist(), strict=True)
    reasons |= {target: (counts.get(target, 0), reason) for target, reason in empty}
    plan = plan_assemblies(
        read_table(prototypes), said, found["classes"].tolist(), recipes, model.preprocess.size, seed
    )
    asked = component_prediction(model, plan, pictures.of, counts, settings["precision"])
    missing = skipped_classes(reasons, names, recipes)
    write_table(pd.concat([asked, missing]).sort_values("class", kind="stable"), prediction)


if __name__ == "__main__":
    run(main)
