"""Factorize the weighted activations of every class into components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.errors import LayerError
from conceptrast.base.files import write_arrays
from conceptrast.concepts.attributed_images import by_class, read_attributions
from conceptrast.concepts.class_factorization import factorize_classes, nearest_rectified
from conceptrast.concepts.recipes import factors_in_use
from conceptrast.models.activations import activations_of
from conceptrast.models.layers import cuttable_layers, rectified_layers
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the attributions of all shards."""

    attributions: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Components of every class."""

    components: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the components of all classes in the attribution files."""
    attribution = read_attributions(inputs.attributions)
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    split = SplitModel(model, settings["layer"])
    batches = pictures.of(attribution["image"], "factorizing")
    classes = by_class(activations_of(model, split, batches, settings["precision"]), attribution["target"])
    factors = factors_in_use(settings["recipes"])
    try:
        arrays = factorize_classes(
            classes,
            attribution,
            factors,
            seed=settings["seed"],
            rectify=settings["rectify"],
            solver=settings["solver"],
        )
    except LayerError as error:
        nearest = nearest_rectified(split.layer, cuttable_layers(model), rectified_layers(model))
        hint = f"; the nearest such layer is {nearest!r}" if nearest and settings["solver"] != "semi_nmf" else ""
        raise LayerError(f"layer {split.layer}: {error}{hint}") from error
    write_arrays(outputs.components, arrays)


if __name__ == "__main__":
    run(main)
