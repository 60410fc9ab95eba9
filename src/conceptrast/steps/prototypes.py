"""Find the patches that are most like each component, in one pass over all images for all recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.concepts.class_prototypes import class_prototypes
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures, and the components of its classes."""

    predictions: Path
    components: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The patches that are most like each component."""

    prototypes: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the prototypes of every class and recipe, for both selections."""
    predicted = read_table(inputs.predictions).set_index("image")["predicted"]
    pictures = open_pictures(settings, inputs)
    split = SplitModel(pictures.model, settings["layer"])
    batches = pictures.of(predicted.index.to_numpy(), "searching prototypes")
    prototypes = class_prototypes(
        activations_of(pictures.model, split, batches, settings["precision"]),
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        read_arrays(inputs.components),
        recipes_from_settings(settings["recipes"]),
        view=pictures.model.preprocess.size,
        rectify=settings["rectify"],
    )
    write_table(prototypes, outputs.prototypes)


if __name__ == "__main__":
    run(main)
