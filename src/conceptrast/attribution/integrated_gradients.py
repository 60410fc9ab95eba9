r"""Integrated gradients at a layer.

Notation:
    a: activations ``[N, C, h, w]``; a0: baseline ``[1, C, h, w]`` or ``[N, C, h, w]``.
    t, v: positions on the line from a0 (0) to a (1), and their weights, which add up to 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from conceptrast.attribution.gradient import check_baseline, exact, logit_gradient
from conceptrast.base.errors import ConfigError
from conceptrast.models.split import SplitModel


def integrated_gradients(
    split: SplitModel, activations: Tensor, baseline: Tensor, target: int | Tensor, steps: int = 32
) -> Tensor:
    r"""Mean gradient of the class's logit along the straight line from the baseline, times the difference from it.

    .. math:: A = (a - a_0) \odot \int_0^1 \frac{\partial f_c}{\partial a}(a_0 + t\,(a - a_0))\,\mathrm{d}t
        \approx (a - a_0) \odot \sum_s v_s \frac{\partial f_c}{\partial a}(a_0 + t_s\,(a - a_0))

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``; they are not changed.
        baseline: ``[1, C, h, w]`` or ``[N, C, h, w]``.
        target: one class index, or ``[N]`` of them.
        steps: number of positions (Gauss-Legendre); each costs one pass.

    Returns:
        ``[N, C, h, w]`` in float32 or better, in units of the logit. With more steps, the sum over an image tends to
        ``f(a) - f(a0)``.

    Raises:
        ShapeError: ``baseline`` or ``target`` does not fit the activations.
        ConfigError: ``steps`` is below 1.

    Source: Sundararajan et al., *Axiomatic attribution for deep networks*, 2017, equations 1 and 3. We use
    Gauss-Legendre positions. The paper's equally spaced positions need several times as many steps for the same gap.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.ReLU(), torch.nn.Flatten()).eval()
        >>> activations, baseline = torch.tensor([[[[3.0]]]]), torch.tensor([[[[-1.0]]]])
        >>> integrated_gradients(SplitModel(network, "0"), activations, baseline, target=0, steps=64).round(decimals=1)
        tensor([[[[3.]]]])
    """
    check_baseline(activations, baseline)
    if steps < 1:
        raise ConfigError(f"steps is {steps}; integrated gradients needs at least 1")
    start = exact(baseline)
    way = exact(activations) - start
    total = torch.zeros_like(way)
    for position, weight in zip(*positions(steps), strict=True):
        total += weight * logit_gradient(split, start + position * way, target)
    return way * total


def positions(steps: int) -> tuple[list[float], list[float]]:
    """Gauss-Legendre positions and weights on [0, 1].

    Example:
        >>> positions(1)
        ([0.5], [1.0])
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
