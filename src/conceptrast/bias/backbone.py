r"""An encoder that starts from the first layers of a classifier.

Notation: ``x`` pictures ``[N, 3, s, s]`` in 0 to 1, ``μ`` and ``σ`` the classifier's mean and standard deviation of
each channel, ``p`` its layers up to the named one, ``K`` a 1×1 convolution to 64 channels, ``W`` a linear layer.

.. math:: c = \mathrm{relu}(\mathrm{bn}(W \, \mathrm{flatten}(
          \mathrm{relu}(\mathrm{bn}(K * p((x - \mu) / \sigma))))))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.bias.encoders import code_layers
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.opening import architecture_of, family_of, open_model, preprocess_of
from conceptrast.models.split import SplitModel

REDUCED = 64
"""Channels that are left of the backbone's. They keep their positions, so that the code can say where things are."""


class Backbone(NamedTuple):
    """A classifier, and the last of its layers that an encoder takes over."""

    model: Model
    layer: str

    @property
    def preprocess(self) -> Preprocess:
        """How pictures become the encoder's views: whole and in 0 to 1, in the classifier's size.

        Nothing is cropped, since the whole picture is to be decoded. The encoder itself normalises.
        """
        side = self.model.preprocess.size[0]
        return dataclasses.replace(self.model.preprocess, resize=side, crop=side, mean=(0.0,) * 3, std=(1.0,) * 3)


class BackboneEncoder(nn.Module):
    """Pictures ``[N, 3, s, s]`` in 0 to 1 to codes ``[N, 128]``.

    Pictures of another size than the classifier's are resized, bilinearly.

    Args:
        backbone: the classifier and its layer. Its weights are copied, and it is not changed itself.

    Raises:
        LayerError: the network cannot be cut there, or the layer has no positions.
        ConfigError: the classifier takes grey pictures, or pictures that are no squares.
        ModelError: the network cannot be traced.

    Source: ours. The published encoder starts from random weights.

    Example:
        >>> from conceptrast.models import load_model
        >>> model = load_model("resnet10", class_names=["cat", "dog"], input_size=32)
        >>> encoder = BackboneEncoder(Backbone(model, "layer3")).eval()
        >>> encoder(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 128])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        preprocess = backbone.model.preprocess
        check_pictures(preprocess)
        split = SplitModel(backbone.model, backbone.layer)
        self.size = preprocess.size
        self.trunk = split.prefix_copy().requires_grad_(True)
        self.layout = split.layout
        with torch.no_grad():
            shape = tuple(split.prefix(torch.zeros(1, 3, *preprocess.size)).shape[1:])
        check_layer(backbone.layer, shape)
        channels, height, width = shape
        self.head = nn.Sequential(
            *(nn.Conv2d(channels, REDUCED, 1, bias=False), nn.BatchNorm2d(REDUCED), nn.ReLU(), nn.Flatten()),
            *code_layers(REDUCED * height * width),
        )
        # They follow from the classifier, so they are not saved with the weights.
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std).view(-1, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Codes of pictures."""
        if tuple(pictures.shape[2:]) != self.size:
            pictures = interpolate(pictures, self.size, mode="bilinear", antialias=True)
        return self.head(self.layout.maps(self.trunk((pictures - self.mean) / self.std)))


def open_backbone(settings: Mapping[str, Any], trained: Path | None = None) -> Backbone:
    """The classifier of a configuration with its weights, and the layer.

    Args:
        settings: ``model``, an entry of ``models``, and ``layer``.
        trained: file of its weights, if the workflow trains the model.

    Raises:
        ModelError: as in :func:`conceptrast.models.opening.load_model`.
    """
    entry = {**settings["model"], "train": None}
    # Where the last layer alone was fitted, all other weights are those that it was fitted on.
    if trained is not None and not entry.get("weights"):
        entry["weights"] = str(trained)
    # The last layer has no part in the encoder: whatever classes it had, a new one takes its place.
    return Backbone(open_model(entry, class_names=["1", "2"], new_head=True), settings["layer"])


def blank_backbone(settings: Mapping[str, Any]) -> Backbone:
    """The same network with random weights, for an encoder whose weights are then read from a file.

    Args:
        settings: ``model``, an entry of ``models``, and ``layer``.
    """
    entry = settings["model"]
    name = architecture_of(entry)
    preprocess = preprocess_of(entry)
    network = family_of(name, options=entry.get("options")).network(2, preprocess.size)
    return Backbone(Model(name, network, preprocess), settings["layer"])


def check_pictures(preprocess: Preprocess) -> None:
    """Refuse a classifier whose pictures the autoencoder does not have: grey ones, or rectangles.

    Raises:
        ConfigError: the message says what the classifier takes.
    """
    height, width = preprocess.size
    if preprocess.channels != 3:
        raise ConfigError("the model takes grey pictures, and the autoencoder's are coloured: name another one")
    if height != width:
        raise ConfigError(f"the model takes pictures of {height}×{width} pixels; the autoencoder's are squares")


def check_layer(layer: str, shape: tuple[int, ...]) -> None:
    """Refuse a layer without positions, such as the last ones of a classifier.

    Args:
        layer: its name.
        shape: the shape of its activations for one picture.

    Raises:
        LayerError: the message names the shape.
    """
    if len(shape) != 3:
        raise LayerError(f"layer {layer!r} gives activations {list(shape)} without positions: name an earlier layer")
