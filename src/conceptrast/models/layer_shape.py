"""Find the shape of a layer's output for one image, without weights and without a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from conceptrast.models.layouts import Layout
from conceptrast.models.opening import architecture_of, family_of, preprocess_of
from conceptrast.models.split import SplitModel


class LayerShape(NamedTuple):
    """What is known of a layer before anything is computed.

    Attributes:
        shape: of its maps for one image, ``(C, h, w)`` if it has positions.
        rectified: whether its activations cannot be negative.
        layout: of its own activations.
        reads_positions: whether the logits depend on its maps.
    """

    shape: tuple[int, ...]
    rectified: bool
    layout: Layout
    reads_positions: bool


def layer_shape(entry: Mapping[str, Any], layer: str) -> LayerShape:
    """Cut a network at a layer and look at the layer's output; the weights are random.

    Args:
        entry: the model's entry in a configuration.
        layer: name of the layer.

    Raises:
        LayerError: the network cannot be cut there, or the layer's layout is not known.

    Example:
        >>> layer = layer_shape({"architecture": "resnet10"}, "layer3")
        >>> layer.shape, layer.rectified, str(layer.layout), layer.reads_positions
        ((128, 6, 6), True, 'channels first', True)
    """
    module, image = untrained(entry)
    split = SplitModel(module, layer, image)
    with torch.no_grad():
        shape = tuple(split.prefix(image).shape[1:])
    return LayerShape(shape, split.rectified, split.layout, split.reads_positions)


def untrained(entry: Mapping[str, Any]) -> tuple[nn.Module, Tensor]:
    """A network of two classes with random weights, and two blank images for it.

    The last network is kept: a run's checks ask about many layers of one model, and to draw the weights of a large one
    takes longer than to cut it.

    Args:
        entry: the model's entry in a configuration.

    Example:
        >>> untrained({"architecture": "resnet10"})[1].shape
        torch.Size([2, 3, 96, 96])
    """
    return _untrained(json.dumps(entry, sort_keys=True))


@lru_cache(maxsize=1)
def _untrained(written: str) -> tuple[nn.Module, Tensor]:
    entry = json.loads(written)
    family = family_of(architecture_of(entry), options=entry.get("options"))
    preprocess = preprocess_of(entry)
    network = family.network(2, preprocess.size).eval()
    return network, torch.zeros(2, preprocess.channels, *preprocess.size)
