"""Cut every model at its layer, count positions for concepts, and place every crop, before anything is computed.

A wrong name or box ends the run in seconds, not hours.
"""

from __future__ import annotations

from typing import Any

import torch

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.contrast.crops import corner_box, crop_of
from conceptrast.dff.factorization import check_maps
from conceptrast.models.activations import refuse_nowhere_to_look
from conceptrast.models.opening import architecture_of, family_of, preprocess_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any]) -> None:
    """Settings: entries of models by name, model and layer by key of the config, model, corner and crop of insertions,
    model, layer, components, images and shared of factorizations.

    Says the shape of each layer.
    """
    for name, entry in settings["layers"].items():
        try:
            shape, rectified = _cut(settings["models"][entry["model"]], entry["layer"])
            _said(name, entry["layer"], shape, rectified)
            if name.startswith("saliency."):
                refuse_nowhere_to_look((1, *shape), entry["layer"])
        except ConceptrastError as error:
            raise LayerError(f"'{name}': {error}") from error
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
            size = preprocess_of(settings["models"][insertion["model"]]).size
            corner_box((height, width), size, insertion["corner"])
        except ConceptrastError as error:
            raise ConfigError(f"'insertions.{name}': {error}") from error


def _said(name: str, layer: str, shape: tuple[int, ...], rectified: bool) -> None:
    sizes = "×".join(str(size) for size in shape)
    LOGGER.info("%s: %s gives %s%s", name, layer, sizes, "" if rectified else ", negative values included")


def _cut(entry: dict[str, Any], layer: str) -> tuple[tuple[int, ...], bool]:
    """Shape of a layer's activations for one image, and whether they cannot be negative; weights do not matter."""
    family = family_of(architecture_of(entry), options=entry.get("options"))
    seen = preprocess_of(entry)
    module = family.network(2, seen.size).eval()
    image = torch.zeros(2, seen.channels, *seen.size)
    split = SplitModel(module, layer, image)
    with torch.no_grad():
        return tuple(split.prefix(image).shape[1:]), split.rectified


if __name__ == "__main__":
    run(main)
