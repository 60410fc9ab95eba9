"""Gather the activation vectors that speak for each class of a shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import write_arrays
from conceptrast.concepts.attributed_images import by_class, read_attributions
from conceptrast.contrast.features import features_of_classes
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    attribution: Path,
    features: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the features of the classes of one attribution file, image by image."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    found, chosen = read_attributions([attribution]), settings["contrast"]
    split = SplitModel(pictures.model, settings["layer"])
    batches = pictures.of(found["image"], "gathering features")
    activations = activations_of(pictures.model, split, batches, settings["precision"])
    classes = by_class(activations, found["target"])
    names = pictures.model.class_names
    write_arrays(features, features_of_classes(classes, found, names, chosen["attribution"], chosen["threshold"]))


if __name__ == "__main__":
    run(main)
