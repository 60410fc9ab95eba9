"""Factorize the weighted activations of every class into components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.errors import LayerError
from conceptrast.base.files import write_arrays
from conceptrast.concepts.attributed_images import by_class, read_attributions
from conceptrast.concepts.class_factorization import factorize_classes, nearest_rectified
from conceptrast.concepts.recipes import factors_in_use
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel, cuttable_layers
from conceptrast.steps.opening import open_pictures
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
    pictures = open_pictures(settings, index, class_names, weights, workers)
    model, split = pictures.model, SplitModel(pictures.model, settings["layer"])
    activations = activations_of(model, split, pictures.of(found["image"], "factorizing"), settings["precision"])
    classes, factors = by_class(activations, found["target"]), factors_in_use(settings["recipes"])
    try:
        arrays = factorize_classes(classes, found, factors, settings["seed"], settings["rectify"])
    except LayerError as error:
        near = nearest_rectified(lambda name: SplitModel(model, name), split.layer, cuttable_layers(model))
        raise LayerError(
            f"layer {split.layer}: {error}" + (f"; the nearest such layer is {near!r}" if near else "")
        ) from error
    write_arrays(components, arrays)


if __name__ == "__main__":
    run(main)
