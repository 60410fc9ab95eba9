"""Find the patches of all images that are most like each component, in one pass for all recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.activations import activations_of
from conceptrast.data.dataset import open_dataset
from conceptrast.data.loading import views
from conceptrast.files import read_arrays, read_json, read_table, write_table
from conceptrast.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.split import SplitModel
from conceptrast.progress import progress
from conceptrast.prototypes import class_prototypes
from conceptrast.recipes import recipes_from_settings
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
    table = read_table(index).set_index("image", drop=False).loc[predicted.index]
    model = open_model(settings["model"], weights, read_json(class_names))
    model.module.to(default_device())
    dataset, size = open_dataset(settings["dataset"], settings["seed"]), settings["batch_size"]
    batches = views(dataset, table, model.preprocess, size, workers)
    batches = progress(batches, "searching prototypes", -(-len(table) // size), "batches")
    activations = activations_of(model, SplitModel(model, settings["layer"]), batches, settings["precision"])
    recipes, rectify = recipes_from_settings(settings["recipes"]), settings["rectify"]
    found = class_prototypes(
        activations,
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        read_arrays(components),
        recipes,
        model.preprocess.size,
        rectify,
    )
    write_table(found, prototypes)


if __name__ == "__main__":
    run(main)
