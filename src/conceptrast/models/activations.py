"""Activations of a stream of views at the layer where a model is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import LayerError
from conceptrast.models.batches import prepared
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.layouts import needs_class_tokens
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel


@runtime_checkable
class KeepsActivations(Protocol):
    """Batches of views that may already have their activations. Then the prefix does not run again."""

    def activations(self, model: Model, split: SplitModel, precision: str) -> Iterator[tuple[np.ndarray, Tensor]]:
        """The same as :func:`activations_of` gives for these batches."""


def activations_of(
    model: Model, split: SplitModel, batches: Iterable[tuple[np.ndarray, Tensor]], precision: str = "float32"
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Run the prefix over batches of views.

    Args:
        model: gives the device and the normalisation.
        split: the model, cut at a layer.
        batches: pairs of image ids ``[n]`` and views ``[n, 3, H, W]`` uint8.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        Pairs of image ids and activations ``[n, C, h, w]``, or as ``split.complete`` has them, float32 on the CPU.

    Raises:
        LayerError: the layer's output has no positions.

    Example:
        >>> from conceptrast.models.model import Preprocess
        >>> network = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.ReLU(), torch.nn.Flatten())
        >>> model = Model("mean colour", network, Preprocess(None, 2, (0.0,) * 3, (1.0,) * 3), ["r", "g", "b"])
        >>> views = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
        >>> found = activations_of(model, SplitModel(model, "0"), [(np.array([4]), views)])
        >>> [(images.tolist(), activations.shape) for images, activations in found]
        [([4], torch.Size([1, 3, 1, 1]))]
    """
    if isinstance(batches, KeepsActivations):
        yield from batches.activations(model, split, precision)
        return
    device = device_of(model)
    split = split.for_inference(precision)
    for images, views in prepared(batches, device):
        with torch.inference_mode(), autocast(precision, device):
            activations = split.prefix(network_input(model, views)).cpu().float()
        refuse_without_positions(split.patches(activations), split.layer)
        yield images, activations


def refuse_without_positions(activations: Tensor, layer: str) -> None:
    """Refuse activations that are not ``[N, C, h, w]``.

    Raises:
        LayerError: the activations have no positions; the message names the layer and the shape.

    Example:
        >>> refuse_without_positions(torch.zeros(2, 5), "fc")
        Traceback (most recent call last):
        conceptrast.base.errors.LayerError: layer 'fc' gives activations [2, 5] without positions; choose a layer \
whose output is [N, C, h, w]
    """
    if activations.ndim != 4:
        raise LayerError(
            f"layer {layer!r} gives activations {list(activations.shape)} without positions; "
            "choose a layer whose output is [N, C, h, w]"
        )


def refuse_unread_positions(split: SplitModel) -> None:
    """Refuse a layer whose positions the logits do not depend on: every attribution of them would be zero.

    Raises:
        LayerError: nothing after the layer reads its positions, only its class token.
    """
    if not split.reads_positions:
        raise LayerError(unread_positions(split.layer))


def unread_positions(layer: str) -> str:
    """Why a layer whose positions nothing reads cannot be attributed, and what to choose instead."""
    return (
        f"layer {layer!r}: the network after it reads only its class token, so the logits do not depend on any "
        "position; choose a layer before the last attention block (`conceptrast layers` lists them)"
    )


def refuse_class_tokens(split: SplitModel) -> None:
    """Refuse a layer with class tokens: what is made of its maps alone cannot go through the rest of the network.

    Raises:
        LayerError: it has class tokens; the message says what works there, and what to choose instead.
    """
    if split.layout.class_tokens:
        raise LayerError(needs_class_tokens(split.layer, split.layout))


def refuse_nowhere_to_look(shape: Sequence[int], layer: str) -> None:
    """Refuse a layer that has no positions or only one: it cannot say where a network looks.

    Args:
        shape: shape of its activations; the number of images comes first.
        layer: name of the layer.

    Raises:
        LayerError: the layer has at most one position; the message names the layer.

    Example:
        >>> refuse_nowhere_to_look([1, 64, 1, 1], "avgpool")
        Traceback (most recent call last):
        conceptrast.base.errors.LayerError: layer 'avgpool' has a single position: there is nowhere to look; choose \
one before pooling
    """
    refuse_without_positions(torch.empty(tuple(shape), device="meta"), layer)
    if shape[2] * shape[3] == 1:
        raise LayerError(f"layer {layer!r} has a single position: there is nowhere to look; choose one before pooling")
