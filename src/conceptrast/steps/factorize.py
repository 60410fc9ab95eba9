"""Factorize the weighted activations of every class into components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.activations import activations_of
from conceptrast.data.dataset import open_dataset
from conceptrast.data.loading import views
from conceptrast.errors import LayerError
from conceptrast.factorization.classes import by_class, factorize_classes, nearest_rectified, read_attributions
from conceptrast.files import read_json, read_table, write_arrays
from conceptrast.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.split import SplitModel, cuttable_layers
from conceptrast.progress import progress
from conceptrast.recipes import factors_in_use
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    attributions: list[Path],
    components: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write components.npz for the classes of the attribution files."""
    found = read_attributions(attributions)
    table = read_table(index).set_index("image", drop=False).loc[found["image"]]
    model = open_model(settings["model"], weights, read_json(class_names))
    model.module.to(default_device())
    split, size = SplitModel(model, settings["layer"]), settings["batch_size"]
    dataset = open_dataset(settings["dataset"], settings["seed"])
    batches = views(dataset, table, model.preprocess, size, workers)
    batches = progress(batches, "factorizing", -(-len(table) // size), "batches")
    activations = activations_of(model, split, batches, settings["precision"])
    classes, factors = by_class(activations, found["target"]), factors_in_use(settings["recipes"])
    try:
        arrays = factorize_classes(classes, found, factors, settings["seed"], settings["rectify"])
    except LayerError as error:
        near = nearest_rectified(lambda name: SplitModel(model, name), split.layer, cuttable_layers(model.module))
        raise LayerError(
            f"layer {split.layer}: {error}" + (f"; the nearest such layer is {near!r}" if near else "")
        ) from error
    write_arrays(components, arrays)


if __name__ == "__main__":
    run(main)
