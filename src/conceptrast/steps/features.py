"""Gather the activation vectors that speak for each class of a shard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import write_arrays
from conceptrast.concepts.attributed_images import by_class, read_attributions
from conceptrast.contrast.features import features_of_classes
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the attribution of the shard's classes."""

    attribution: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Activation vectors of each class, image by image."""

    features: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the features of the classes of one attribution file."""
    pictures = open_pictures(settings, inputs)
    attribution = read_attributions([inputs.attribution])
    split = SplitModel(pictures.model, settings["layer"])
    batches = pictures.of(attribution["image"], "gathering features")
    activations = activations_of(pictures.model, split, batches, settings["precision"])
    features = features_of_classes(
        by_class(activations, attribution["target"]),
        attribution,
        pictures.model.class_names,
        settings["contrast"]["attribution"],
        threshold=settings["contrast"]["threshold"],
    )
    write_arrays(outputs.features, features)


if __name__ == "__main__":
    run(main)
