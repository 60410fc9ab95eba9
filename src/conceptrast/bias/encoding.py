"""Two latent spaces of the same pictures: the autoencoder's codes, and the pooled features of a plain classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from conceptrast.bias.autoencoder import Autoencoder, as_input
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.last_layer import last_linear
from conceptrast.models.model import Model


class Encoding(NamedTuple):
    """Codes ``[N, C]`` float32, probabilities of class 2 ``[N]`` and ids ``[N]`` of pictures."""

    codes: np.ndarray
    probability: np.ndarray
    images: np.ndarray


@torch.inference_mode()
def encode_autoencoder(
    autoencoder: Autoencoder, batches: Iterable[tuple[np.ndarray, Tensor]], precision: str = "float32"
) -> Encoding:
    """Codes and probabilities of batches of ids ``[n]`` and views uint8 ``[n, 3, s, s]``."""
    device = next(autoencoder.parameters()).device
    parts = []
    for images, views in batches:
        with autocast(precision, device):
            codes = autoencoder.encoder(as_input(views, device))
            logits = autoencoder.classifier(codes).squeeze(1)
        parts.append((codes.float(), logits.float().sigmoid(), images))
    return _join_batches(parts)


@torch.inference_mode()
def encode_classifier(
    model: Model, batches: Iterable[tuple[np.ndarray, Tensor]], precision: str = "float32"
) -> Encoding:
    """Codes and probabilities by a classifier with two outputs. A code is what its last linear layer gets.

    Raises:
        ModelError: the network does not end in a linear layer.
    """
    device = device_of(model)
    parts = []
    with _last_inputs(model.module) as codes:
        for images, views in batches:
            with autocast(precision, device):
                logits = model.module(network_input(model, views))
            parts.append((codes.pop().float(), logits.float().softmax(1)[:, 1], images))
    return _join_batches(parts)


@contextmanager
def _last_inputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """A list to which every pass adds what the last linear layer gets."""
    inputs: list[Tensor] = []
    handle = last_linear(module)[1].register_forward_pre_hook(lambda _, values: inputs.append(values[0]))
    try:
        yield inputs
    finally:
        handle.remove()


def _join_batches(parts: list[tuple[Tensor, Tensor, np.ndarray]]) -> Encoding:
    codes, probability, images = zip(*parts, strict=True)
    return Encoding(
        codes=torch.cat(codes).cpu().numpy(),
        probability=torch.cat(probability).cpu().numpy(),
        images=np.concatenate(images),
    )
