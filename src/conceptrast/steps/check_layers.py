"""Cut every model at its layer, and check every entry before anything is computed.

A wrong layer or box ends the run in seconds, not hours.
"""

from __future__ import annotations

from typing import Any

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.base.registry import implementation
from conceptrast.models.activations import unread_positions
from conceptrast.models.inference import default_device
from conceptrast.models.layer_shape import layer_shape
from conceptrast.models.layouts import CHANNELS_FIRST, VECTORS
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any]) -> None:
    """Log the shape of each layer.

    Settings: ``models`` has the entries of models by name. Each of ``checks`` has its place (``where``), its ``entry``
    and the functions of its analyses that check it (``functions``). If ``device`` is true, the device that the run asks
    for has to be there.
    """
    if settings.get("device"):
        LOGGER.info(f"the models run on: {default_device()}")
    for due in settings["checks"]:
        entry = due["entry"]
        model = settings["models"][entry["model"]]
        where = due["where"]
        # Its layer
        try:
            shape = _shape(model, entry, where) if "layer" in entry else ()
        except ConceptrastError as error:
            raise LayerError(f"'{where}': {error}") from error
        # The checks of its analyses
        try:
            for function in due["functions"]:
                implementation(function)(entry, shape, model)
        except LayerError as error:
            raise LayerError(f"'{where}': {error}") from error
        except ConceptrastError as error:
            raise ConfigError(f"'{where}': {error}") from error


def _shape(model: dict[str, Any], entry: dict[str, Any], where: str) -> tuple[int, ...]:
    """Shape of a layer's maps for one image; it is logged, too.

    Raises:
        LayerError: the model cannot be cut there, or the entry asks what such a layer cannot answer.
    """
    layer = entry["layer"]
    activations = layer_shape(model, layer)
    if not activations.reads_positions and where.partition(".")[0] in {"studies", "saliency"}:
        raise LayerError(unread_positions(layer))
    sizes = "×".join(str(size) for size in activations.shape)
    values = "" if activations.rectified else ", negative values included"
    if activations.layout not in (CHANNELS_FIRST, VECTORS):
        values += f" (its own layout: {activations.layout})"
    LOGGER.info(f"{where}: {layer} gives {sizes}{values}")
    return activations.shape


if __name__ == "__main__":
    run(main)
