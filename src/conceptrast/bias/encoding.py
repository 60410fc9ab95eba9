"""Two latent spaces of the same pictures: the autoencoder's codes, and a plain ResNet's pooled features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.bias.autoencoder import Autoencoder, as_input
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel

POOLED = "avgpool"
"""The layer of torchvision's ResNets whose output goes, flattened, into the last linear layer."""


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
def encode_resnet(model: Model, batches: Iterable[tuple[np.ndarray, Tensor]], precision: str = "float32") -> Encoding:
    """Codes and probabilities by a ResNet with two outputs.

    Raises:
        LayerError: the network has no layer ``avgpool`` to cut at.
    """
    split = SplitModel(model, POOLED)
    device = device_of(model)
    parts = []
    for images, views in batches:
        with autocast(precision, device):
            pooled = split.prefix(network_input(model, views))
            logits = split.suffix(pooled)
        parts.append((pooled.float().flatten(1), logits.float().softmax(1)[:, 1], images))
    return _join_batches(parts)


def _join_batches(parts: list[tuple[Tensor, Tensor, np.ndarray]]) -> Encoding:
    codes, probability, images = zip(*parts, strict=True)
    return Encoding(
        codes=torch.cat(codes).cpu().numpy(),
        probability=torch.cat(probability).cpu().numpy(),
        images=np.concatenate(images),
    )
