"""Cut every model at its layer, count positions for concepts, and place every crop, before anything is computed.

A wrong name or box ends the run in seconds, not hours.
"""

from __future__ import annotations

from typing import Any

import torch

from conceptrast.crops import corner_box, crop_of
from conceptrast.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.factorization.dff import check_maps
from conceptrast.models.opening import architecture_of, family_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any]) -> None:
    """Settings: entries of models by name, model and layer of studies, model, corner and crop of insertion tests,
    model, layer, components, images and shared of factorizations.

    Says the shape of each layer.
    """
    for name, study in settings["studies"].items():
        try:
            _said(name, study["layer"], *_cut(settings["models"][study["model"]], study["layer"]))
        except ConceptrastError as error:
            raise LayerError(f"'studies.{name}': {error}") from error
    for name, dff in settings["dffs"].items():
        try:
            shape, rectified = _cut(settings["models"][dff["model"]], dff["layer"])
            _said(name, dff["layer"], shape, rectified)
            # Fewer pictures may be predicted as a class than are asked for; what is too much for these is certain.
            check_maps((dff["images"] if dff["shared"] else 1, *shape), max(dff["components"]))
        except ConceptrastError as error:
            raise ConfigError(f"'dff.{name}': {error}") from error
    for name, insertion in settings["insertions"].items():
        try:
            height, width, _ = crop_of(insertion["crop"]).pixels().shape
            corner_box((height, width), _size(settings["models"][insertion["model"]]), insertion["corner"])
        except ConceptrastError as error:
            raise ConfigError(f"'insertions.{name}': {error}") from error


def _said(name: str, layer: str, shape: tuple[int, ...], rectified: bool) -> None:
    sizes = "×".join(str(size) for size in shape)
    LOGGER.info("%s: %s gives %s%s", name, layer, sizes, "" if rectified else ", negative values included")


def _cut(entry: dict[str, Any], layer: str) -> tuple[tuple[int, ...], bool]:
    """Shape of a layer's activations for one image, and whether they cannot be negative; weights do not matter."""
    family = family_of(architecture_of(entry), options=entry.get("options"))
    height, width = _size(entry)
    module = family.network(2, (height, width)).eval()
    image = torch.zeros(2, 3, height, width)
    split = SplitModel(module, layer, image)
    with torch.no_grad():
        return tuple(split.prefix(image).shape[1:]), split.rectified


def _size(entry: dict[str, Any]) -> tuple[int, int]:
    """Height and width of what a model sees."""
    crop = entry.get("crop")
    if crop is None:
        family = family_of(architecture_of(entry), options=entry.get("options"))
        return family.preprocess(entry.get("input_size")).size
    return (crop, crop) if isinstance(crop, int) else (crop[0], crop[1])


if __name__ == "__main__":
    run(main)
