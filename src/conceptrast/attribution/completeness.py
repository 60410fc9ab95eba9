"""Measure how far the sum of an attribution is from the change that it explains."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from conceptrast.attribution.gradient import target_logits
from conceptrast.models.split import SplitModel

LOGGER = logging.getLogger("conceptrast")

#: A warning is logged if the gap is above this value.
TOLERATED_GAP = 0.01


def completeness_gap(
    split: SplitModel,
    attribution: Tensor,
    activations: Tensor,
    baseline: Tensor,
    target: int | Tensor,
) -> Tensor:
    r"""Relative gap between the sum of an attribution and the change of the logit that it explains.

    .. math:: g = \frac{\left|\sum_i A_i - (f_c(a) - f_c(a_0))\right|}{\max(|f_c(a) - f_c(a_0)|, \epsilon)}

    Args:
        split: the network, cut at the layer.
        attribution: ``[N, C, h, w]``.
        activations: ``[N, C, h, w]``.
        baseline: ``[1, C, h, w]`` or ``[N, C, h, w]``.
        target: one class index, or ``[N]`` of them.

    Returns:
        ``[N]``, without unit; 0 is complete. ``ε = 1e-6`` keeps the gap finite if the logit does not change.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten()).eval()
        >>> ones = torch.ones(1, 1, 1, 1)
        >>> completeness_gap(SplitModel(network, "0"), 0.9 * ones, ones, 0 * ones, target=0)
        tensor([0.1000])
    """
    with torch.no_grad():
        change = logit_change(split, activations, baseline, target)
        return relative_gap(attribution.flatten(1).sum(1), change)


def logit_change(split: SplitModel, activations: Tensor, baseline: Tensor, target: int | Tensor) -> Tensor:
    r"""Change of each image's logit from the baseline to its activations.

    .. math:: f_c(a) - f_c(a_0)

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``.
        baseline: ``[1, C, h, w]`` or ``[N, C, h, w]``; it runs in the same pass as the activations.
        target: one class index, or ``[N]`` of them.

    Returns:
        ``[N]`` float32, in units of the logit.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten()).eval()
        >>> ones = torch.ones(1, 1, 1, 1)
        >>> logit_change(SplitModel(network, "0"), 3 * ones, ones, target=0)
        tensor([2.])
    """
    images = len(activations)
    logits = split.suffix(torch.cat([activations, baseline.to(activations)])).float()
    before = logits[images:].expand(images, -1) if len(baseline) == 1 else logits[images:]
    return target_logits(logits[:images], target) - target_logits(before, target)


def relative_gap(total: Tensor, change: Tensor) -> Tensor:
    """``|total - change|`` relative to ``change``, both ``[N]``.

    Example:
        >>> relative_gap(torch.tensor([2.0, 1.0]), torch.tensor([2.0, 4.0]))
        tensor([0.0000, 0.7500])
    """
    return (total - change).abs() / change.abs().clamp(min=1e-6)


def warn_if_incomplete(gap: Tensor, method: str, layer: str) -> None:
    """Log a warning if the median gap is above 1 %.

    Args:
        gap: ``[N]``, as :func:`completeness_gap` returns it.
        method: name of the method, for the message.
        layer: name of the layer, for the message.
    """
    median = float(gap.median()) if len(gap) else 0.0
    if median > TOLERATED_GAP:
        extent = f"{100 * median:.1f} % off the change of the logit for half of {len(gap)} images"
        if method != "integrated_gradients":
            extent += "; integrated_gradients may leave less"
        LOGGER.warning("%s at layer %r leaves a gap: its sum is %s", method, layer, extent)
