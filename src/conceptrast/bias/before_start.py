"""The check of a comparison before a run starts: an encoder can start from the layer of the model that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conceptrast.bias.autoencoder import check_input
from conceptrast.bias.backbone import check_layer, check_pictures
from conceptrast.models.opening import preprocess_of


def check_entry(entry: Mapping[str, Any], shape: tuple[int, ...], model: Mapping[str, Any]) -> None:
    """Refuse a model whose pictures the autoencoder does not have, and a layer without positions.

    Args:
        entry: the comparison, with the ``layer`` of its encoder.
        shape: the shape of the layer's activations for one image, ``(C, h, w)``.
        model: the entry of the model.

    Raises:
        ConfigError: the model takes grey pictures, rectangles, or smaller pictures than are decoded.
        LayerError: the layer has no positions.
    """
    preprocess = preprocess_of(model)
    check_pictures(preprocess)
    check_input(preprocess.size[0], entry["size"])
    check_layer(entry["layer"], shape)
