"""The original latent shift: activations move until the decoded picture becomes another class.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``D`` a decoder of the layer, ``c`` the class towards which
they are moved.
"""

from __future__ import annotations

from torch import Tensor

from conceptrast.counterfactual.decoder import Decoder, decoded_input
from conceptrast.counterfactual.log_probability import gradients_through
from conceptrast.models.model import Model


def latent_shift_gradients(
    model: Model,
    decoder: Decoder,
    activations: Tensor,
    target: int,
    precision: str = "float32",
    batch_size: int = 64,
) -> Tensor:
    r"""The gradient of the class's log probability for the *decoded* picture: the original latent shift.

    .. math:: g_n = \nabla_a \log \mathrm{softmax}(\mathrm{model}(D(a_n)))_c

    Args:
        model: the whole classifier.
        decoder: the decoder of the layer.
        activations: ``[N, C, h, w]``.
        target: ``c``.
        precision: the precision of both networks.
        batch_size: the number of images whose gradients are computed at once.

    Returns:
        ``[N, C, h, w]``.

    Source: Cohen et al. 2021, arXiv 2102.09475, equation 1, with the logarithm as above.
    """

    def network(batch: Tensor) -> Tensor:
        logits: Tensor = model.module(decoded_input(model, decoder(batch).float()))
        return logits

    return gradients_through(
        network,
        activations,
        target,
        precision=precision,
        batch_size=batch_size,
    )
