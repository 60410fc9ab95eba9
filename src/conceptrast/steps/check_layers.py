"""Cut every model at its layer, count positions for concepts, and place every crop, before anything is computed.

A wrong name or box ends the run in seconds, not hours.
"""

from __future__ import annotations

from typing import Any

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.contrast.crops import corner_box, crop_of
from conceptrast.dff.factorization import check_maps
from conceptrast.models.activations import refuse_nowhere_to_look
from conceptrast.models.layer_shape import LayerShape, layer_shape
from conceptrast.models.opening import preprocess_of
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any]) -> None:
    """Settings: entries of models by name, model and layer by key of the config, model, corner and crop of insertions,
    model, layer, components, images and shared of factorizations.

    Says the shape of each layer.
    """
    models = settings["models"]
    for name, entry in settings["layers"].items():
        try:
            layer = layer_shape(models[entry["model"]], entry["layer"])
            _log(name, entry["layer"], layer)
            if name.startswith("saliency."):
                refuse_nowhere_to_look((1, *layer.shape), entry["layer"])
        except ConceptrastError as error:
            raise LayerError(f"'{name}': {error}") from error
    for name, entry in settings["dffs"].items():
        try:
            layer = layer_shape(models[entry["model"]], entry["layer"])
            _log(name, entry["layer"], layer)
            # Fewer pictures may be predicted as a class than are asked for; what is too much for these is certain.
            check_maps((entry["images"] if entry["shared"] else 1, *layer.shape), max(entry["components"]))
        except ConceptrastError as error:
            raise ConfigError(f"'dff.{name}': {error}") from error
    for name, entry in settings["insertions"].items():
        try:
            height, width, _ = crop_of(entry["crop"]).pixels().shape
            corner_box((height, width), preprocess_of(models[entry["model"]]).size, entry["corner"])
        except ConceptrastError as error:
            raise ConfigError(f"'insertions.{name}': {error}") from error


def _log(name: str, layer_name: str, layer: LayerShape) -> None:
    sizes = "×".join(str(size) for size in layer.shape)
    values = "" if layer.rectified else ", negative values included"
    LOGGER.info(f"{name}: {layer_name} gives {sizes}{values}")


if __name__ == "__main__":
    run(main)
