r"""A layer whose activations can be moved and decoded.

Notation: ``a`` activations ``[N, C, h, w]``, ``u`` unit directions of the same shape, ``λ`` the distance, relative to
the length of the activations:

.. math:: a(\lambda) = a + \lambda \lVert a \rVert u

Negative values are set to zero if the layer's own output cannot be negative.
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
        split: the same classifier, cut at the layer.
        decoder: the decoder of the layer.

    Raises:
        LayerError: the cut and the decoder belong to different layers.
    """

    model: Model
    split: SplitModel
    decoder: Decoder

    def __post_init__(self) -> None:
        self.decoder.check_layer(self.split.layer)


def moved_activations(split: SplitModel, activations: Tensor, units: Tensor, lambdas: Tensor) -> Tensor:
    r"""Move activations by a given distance along their directions.

    .. math:: a_n + \lambda_n \lVert a_n \rVert u_n

    Args:
        split: the model, cut at the layer. If the layer's output is rectified, negative values are set to zero.
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
    """Decode activations into pictures, in the bytes that are shown, and run the whole network on these pictures.

    Args:
        layer: the layer of the activations.
        activations: ``[N, C, h, w]``.

    Returns:
        Pictures uint8 ``[N, 3, H, W]`` and logits ``[N, n_classes]``.
    """
    pictures = (255 * layer.decoder(activations).float()).round().to(torch.uint8)
    return pictures, layer.model.module(decoded_input(layer.model, pictures.float() / 255))
