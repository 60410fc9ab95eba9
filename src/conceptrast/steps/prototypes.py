"""Find the patches of all images that are most like each component, in one pass for all recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.concepts.class_prototypes import class_prototypes
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    components: Path,
    prototypes: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the prototypes of every class and recipe, for both selections."""
    predicted = read_table(predictions).set_index("image")["predicted"]
    pictures = open_pictures(settings, index, class_names, weights, workers)
    model, split = pictures.model, SplitModel(pictures.model, settings["layer"])
    batches = pictures.of(predicted.index.to_numpy(), "searching prototypes")
    found = class_prototypes(
        activations_of(model, split, batches, settings["precision"]),
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        read_arrays(components),
        recipes_from_settings(settings["recipes"]),
        model.preprocess.size,
        settings["rectify"],
    )
    write_table(found, prototypes)


if __name__ == "__main__":
    run(main)
