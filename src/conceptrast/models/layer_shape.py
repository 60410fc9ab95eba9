"""Find the shape of a layer's output for one image, without weights and without a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from conceptrast.models.opening import architecture_of, family_of, preprocess_of
from conceptrast.models.split import SplitModel


class LayerShape(NamedTuple):
    """Shape of a layer's activations for one image, and whether they cannot be negative."""

    shape: tuple[int, ...]
    rectified: bool


def layer_shape(entry: Mapping[str, Any], layer: str) -> LayerShape:
    """Cut a network at a layer and look at the layer's output; the weights are random.

    Args:
        entry: the model's entry in a configuration.
        layer: name of the layer.

    Raises:
        LayerError: the network cannot be cut there.

    Example:
        >>> layer_shape({"architecture": "resnet10"}, "layer3")
        LayerShape(shape=(128, 6, 6), rectified=True)
    """
    module, image = untrained(entry)
    split = SplitModel(module, layer, image)
    with torch.no_grad():
        return LayerShape(tuple(split.prefix(image).shape[1:]), split.rectified)


def untrained(entry: Mapping[str, Any]) -> tuple[nn.Module, Tensor]:
    """A network of two classes with random weights, and two blank images for it.

    Args:
        entry: the model's entry in a configuration.

    Example:
        >>> untrained({"architecture": "resnet10"})[1].shape
        torch.Size([2, 3, 96, 96])
    """
    family = family_of(architecture_of(entry), options=entry.get("options"))
    preprocess = preprocess_of(entry)
    network = family.network(2, preprocess.size).eval()
    return network, torch.zeros(2, preprocess.channels, *preprocess.size)
