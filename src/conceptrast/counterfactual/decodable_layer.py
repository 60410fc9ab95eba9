r"""A layer whose activations can be moved and decoded.

Notation: ``a`` activations ``[N, C, h, w]``, ``u`` unit directions of the same shape, ``λ`` how far, relative to the
length of the activations:

.. math:: a(\lambda) = a + \lambda \lVert a \rVert u

with negative values set to zero where the layer's own output cannot be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from conceptrast.counterfactual.decoder import Decoder, decoded_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel


@dataclass(frozen=True)
class DecodableLayer:
    """A layer of a model whose activations can be decoded.

    Args:
        model: the whole classifier.
        split: the same, cut at the layer.
        decoder: of the layer.

    Raises:
        LayerError: cut and decoder do not belong to one layer.
    """

    model: Model
    split: SplitModel
    decoder: Decoder

    def __post_init__(self) -> None:
        self.decoder.check_layer(self.split.layer)


def moved_activations(split: SplitModel, activations: Tensor, units: Tensor, lambdas: Tensor) -> Tensor:
    r"""Activations at some distance along their directions.

    .. math:: a_n + \lambda_n \lVert a_n \rVert u_n

    Args:
        split: says whether the layer's output is rectified; then negative values become zero.
        activations: ``[N, C, h, w]``.
        units: ``[N, C, h, w]``, each of length 1.
        lambdas: ``[N]``.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()).eval()
        >>> a, u = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1)
        >>> moved_activations(SplitModel(network, "0"), a, u, torch.tensor([1.0])).flatten()
        tensor([0., 4.])
    """
    lengths = activations.flatten(1).norm(dim=1)
    step = (lambdas.to(activations) * lengths)[:, None, None, None] * units.to(activations)
    activations = activations + step
    return activations.clamp_(min=0) if split.rectified else activations


def decoded_logits(layer: DecodableLayer, activations: Tensor) -> tuple[Tensor, Tensor]:
    """Decoded pictures, and what the whole network says of them, as the bytes that are shown.

    Args:
        layer: of the activations.
        activations: ``[N, C, h, w]``.

    Returns:
        Pictures uint8 ``[N, 3, H, W]`` and logits ``[N, n_classes]``.
    """
    pictures = (255 * layer.decoder(activations).float()).round().to(torch.uint8)
    return pictures, layer.model.module(decoded_input(layer.model, pictures.float() / 255))
