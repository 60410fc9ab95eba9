"""Gradients of a class's log probability with respect to activations.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``f`` the rest of the network, ``c`` the class towards which
they are moved, ``r`` tensors that go around the layer, if any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from conceptrast.counterfactual.editable_layer import EditableLayer, batches_of
from conceptrast.models.inference import autocast


def log_probability_gradients(
    layer: EditableLayer,
    activations: Tensor,
    target: int,
    precision: str = "float32",
    batch_size: int = 64,
    around: Sequence[Tensor] = (),
) -> Tensor:
    r"""The gradient of the class's log probability through the rest of the network.

    .. math:: g_n = \nabla_a \log \mathrm{softmax}(f(a_n))_c

    It points in the same direction as the gradient of the probability, but it does not vanish if the probability is
    nearly zero.

    Args:
        layer: the network, cut at the layer, or an injection.
        activations: ``[N, C, h, w]``.
        target: ``c``.
        precision: the precision of the suffix.
        batch_size: the number of images whose gradients are computed at once.
        around: ``r``, each ``[N, …]``.

    Returns:
        ``[N, C, h, w]``.

    Example:
        >>> from conceptrast.models.split import SplitModel
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten()).eval()
        >>> log_probability_gradients(SplitModel(network, "0"), torch.zeros(1, 2, 1, 1), target=0).flatten().tolist()
        [0.5, -0.5]
    """
    return gradients_through(
        layer.suffix,
        activations,
        target,
        precision=precision,
        batch_size=batch_size,
        around=around,
    )


def gradients_through(
    network: Callable[..., Tensor],
    activations: Tensor,
    target: int,
    precision: str,
    batch_size: int,
    around: Sequence[Tensor] = (),
) -> Tensor:
    """The gradient of the class's log probability through any network.

    Args:
        network: a function from activations ``[n, C, h, w]``, and tensors of ``r``, to logits ``[n, n_classes]``.
        activations: ``[N, C, h, w]``.
        target: class index.
        precision: the precision of the network.
        batch_size: the number of images whose gradients are computed at once.
        around: ``r``, each ``[N, …]``.

    Returns:
        ``[N, C, h, w]``, per unit of the activations.

    Example:
        >>> activations = torch.zeros(1, 2, 1, 1)
        >>> gradients = gradients_through(torch.nn.Flatten(), activations, 0, precision="float32", batch_size=1)
        >>> gradients.flatten().tolist()
        [0.5, -0.5]
    """
    gradients: list[Tensor] = []
    for batch, around_batch in batches_of(activations, around, batch_size):
        with torch.enable_grad(), autocast(precision, batch.device):
            leaf = batch.detach().clone().requires_grad_()
            logits = network(leaf, *around_batch).double()
            gradients += torch.autograd.grad(logits.log_softmax(dim=1)[:, target].sum(), leaf)
    return torch.cat(gradients)
