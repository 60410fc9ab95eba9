"""The original latent shift: activations move until the decoded picture becomes another class.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``D`` a decoder of the layer, ``c`` the class towards which
they are moved. Where another layer is decoded, ``D`` includes the way there.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import decoded_input
from conceptrast.counterfactual.log_probability import gradients_through


def latent_shift_gradients(
    layer: DecodableLayer,
    activations: Tensor,
    target: int,
    precision: str = "float32",
    batch_size: int = 64,
    around: Sequence[Tensor] = (),
) -> Tensor:
    r"""The gradient of the class's log probability for the *decoded* picture: the original latent shift.

    .. math:: g_n = \nabla_a \log \mathrm{softmax}(\mathrm{model}(D(a_n)))_c

    Args:
        layer: the whole classifier, the decoder, and the layer that is edited.
        activations: ``[N, C, h, w]``.
        target: ``c``.
        precision: the precision of both networks.
        batch_size: the number of images whose gradients are computed at once.
        around: tensors that go around the layer, each ``[N, …]``.

    Returns:
        ``[N, C, h, w]``.

    Source: Cohen et al. 2021, arXiv 2102.09475, equation 1, with the logarithm as above.
    """

    def network(batch: Tensor, *around_batch: Tensor) -> Tensor:
        decoded = layer.decoder(layer.activations(batch, *around_batch)).float()
        logits: Tensor = layer.model.module(decoded_input(layer.model, decoded))
        return logits

    return gradients_through(
        network,
        activations,
        target,
        precision=precision,
        batch_size=batch_size,
        around=around,
    )
