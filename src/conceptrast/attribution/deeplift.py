r"""DeepLift with the rescale rule, for any network with ordinary activation functions.

In the backward pass, each nonlinearity :math:`y = \sigma(x)` uses the multiplier :math:`m = \Delta y / \Delta x`
instead of its derivative; Δ is the difference from the baseline. Linear layers keep their weights. So one backward
pass through these multipliers gives attributions that add up to :math:`\Delta f`.

A torch function mode puts the multipliers in. It sees every call of an activation function, no matter which module
makes it: reused modules, functional calls and operators in place all work. Nothing is installed on the network.

Notation:
    a: activations ``[N, C, h, w]``; a0: baseline ``[B, C, h, w]`` with B = 1 or N.
    x, y: input and output of one nonlinearity, for all N + B rows: a's first, then a0's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from conceptrast.attribution.gradient import check_baseline, exact, target_logits
from conceptrast.models.split import SplitModel

#: If the difference of inputs, relative to input and output, is below this value, the ratio of differences is rounding
#: noise and the derivative replaces it.
NEAR = 1e-5

#: Number of images and number of baselines among the rows that are run.
Rows = tuple[int, int]


def deeplift(split: SplitModel, activations: Tensor, baseline: Tensor, target: int | Tensor) -> Tensor:
    r"""Attribute a class's logit to the activations of the layer by DeepLift (rescale rule).

    .. math:: A = (a - a_0) \odot m_{a \to f_c}, \qquad \sum_i A_i = f_c(a) - f_c(a_0)

    where the multiplier :math:`m` follows the chain rule with
    :math:`m_{x \to \sigma(x)} = (\sigma(x) - \sigma(x_0)) / (x - x_0)` at every nonlinearity. In a max-pooling window
    whose maximum is above the baseline's, the rise goes to the input's largest element. Otherwise the fall goes to the
    baseline's largest element. Windows may overlap.

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``; they are not changed.
        baseline: ``[1, C, h, w]``, which runs once for all images, or ``[N, C, h, w]``.
        target: one class index, or ``[N]`` of them.

    Returns:
        ``[N, C, h, w]`` in float32 or better, in units of the logit.

    Raises:
        ShapeError: ``baseline`` or ``target`` does not fit the activations.

    Source: Shrikumar et al., *Learning important features through propagating activation differences*, 2017,
    equations 3, 5 and 12. The sum is exact for elementwise nonlinearities and max-pooling. Products of activations,
    normalisation by their statistics and softmax use their gradient;
    :func:`~conceptrast.attribution.completeness.completeness_gap` measures the error that this causes. If
    :math:`|x - x_0|` is below ``1e-5`` of :math:`|x| + |y|`, the derivative at :math:`x` replaces the ratio.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.ReLU(), torch.nn.Flatten()).eval()
        >>> activations, baseline = torch.tensor([[[[3.0]]]]), torch.tensor([[[[-1.0]]]])
        >>> deeplift(SplitModel(network, "0"), activations, baseline, target=0)
        tensor([[[[3.]]]])
    """
    check_baseline(activations, baseline)
    with torch.inference_mode(False), torch.enable_grad():
        images = len(activations)
        rows = torch.cat([activations.detach(), baseline.detach().to(activations)]).requires_grad_()
        with _RescaleRule((images, len(baseline))):
            logits = split.suffix(rows)
        (multiplier,) = torch.autograd.grad(target_logits(logits[:images], target).sum(), rows)
    return (exact(activations) - exact(baseline)) * multiplier[:images]


class _RescaleRule(TorchFunctionMode):
    """While this mode is on, nonlinearities propagate multipliers instead of derivatives.

    Args:
        rows: numbers of images and of baselines that are run.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        rule = _RULES.get(func)
        if rule is None:
            return func(*args, **kwargs)
        x, *others = args if args else (kwargs.pop("input"),)
        # Windowed attention folds positions into the first dimension, behind the images. Other shapes pass gradients.
        if not x.requires_grad or len(x) % sum(self.rows):
            return func(x, *others, **kwargs)
        return rule.apply(x, self.rows, func, others, kwargs)


class _Elementwise(torch.autograd.Function):
    """y = function(x); backward multiplies by Δy/Δx."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, rows: Rows, function: Callable[..., Tensor], others: list[Any], kwargs: dict[str, Any]
    ) -> Tensor:
        # Compute the value and the slope, in float32 or better.
        with torch.enable_grad():
            source = exact(x).requires_grad_()
            copy = source.clone()
            y = function(copy, *others, **kwargs)
            (slope,) = torch.autograd.grad(y.sum(), source)
        # Take the ratio of differences, or the slope if the differences are rounding noise.
        with torch.no_grad():
            x_difference = difference(source, rows)
            y_difference = difference(y, rows)
            ratio = y_difference / x_difference
            images = len(ratio)
            near = x_difference.abs() <= NEAR * (source[:images].abs() + y[:images].abs())
            # A square root has an infinite slope at 0, which must not be multiplied by a difference of 0.
            finite = slope[:images].nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            ctx.multiplier = torch.where(near, finite, ratio)
            # If the function wrote in place, autograd has to be told so.
            if y is not copy:
                return y.detach().to(x.dtype)
            x.copy_(y)
            ctx.mark_dirty(x)
            return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images = len(ctx.multiplier)
        through = torch.zeros_like(gradient)
        through[:images] = gradient[:images] * ctx.multiplier
        return through, None, None, None, None


class _MaxPooling(torch.autograd.Function):
    """Max-pooling. Backward gives a window's rise to the image's largest element, and its fall to the baseline's."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, rows: Rows, function: Callable[..., Tensor], others: list[Any], kwargs: dict[str, Any]
    ) -> Tensor:
        pool = getattr(functional, _POOLING_NAMES[function])
        y, largest = pool(x, *others, **{**kwargs, "return_indices": True})
        x_difference = difference(exact(x), rows).flatten(2)
        y_difference = difference(exact(y), rows).flatten(2)
        images = len(x_difference)
        # Find the largest elements of the image and the baseline, and the share of the change that goes to each.
        in_image = largest[:images].flatten(2)
        in_baseline = _per_image(largest, rows).flatten(2)
        rise = _share(y_difference.clamp(min=0), x_difference.gather(2, in_image), otherwise=1.0)
        fall = _share(y_difference.clamp(max=0), x_difference.gather(2, in_baseline), otherwise=0.0)
        ctx.routes = ((in_image, rise), (in_baseline, fall))
        ctx.shape = x.shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        through = gradient.new_zeros(ctx.shape)
        flat = through.flatten(2)
        for largest, share in ctx.routes:
            images = len(share)
            flat[:images].scatter_add_(2, largest, (gradient[:images].flatten(2) * share).to(gradient.dtype))
        return through, None, None, None, None


def difference(values: Tensor, rows: Rows) -> Tensor:
    """Images minus baseline, ``[images · p, …]``, of values ``[(images + baselines) · p, …]``.

    Example:
        >>> difference(torch.tensor([1.0, 2.0, 5.0]), (2, 1))
        tensor([-4., -3.])
    """
    positions = len(values) // sum(rows)
    return values[: rows[0] * positions] - _per_image(values, rows)


def _per_image(values: Tensor, rows: Rows) -> Tensor:
    """The baseline's rows, repeated so that each image's row has one; as a view if possible."""
    images, baselines = rows
    positions = len(values) // (images + baselines)
    baseline = values[images * positions :]
    if images == baselines:
        return baseline
    if positions == 1:
        return baseline.expand(images, *baseline.shape[1:])
    return baseline.repeat(images, *[1] * (values.ndim - 1))


def _share(part: Tensor, whole: Tensor, otherwise: float) -> Tensor:
    return torch.where(whole == 0, torch.full_like(part, otherwise), part / whole)


def _functions(names: str, owners: tuple[Any, ...]) -> set[Callable[..., Any]]:
    spellings = [spelling for name in names.split() for spelling in (name, f"{name}_")]
    return {getattr(owner, name) for owner in owners for name in spellings if hasattr(owner, name)}


_ELEMENTWISE = """celu elu expit gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid logsigmoid mish
prelu relu relu6 rrelu selu sigmoid silu softplus softshrink softsign tanh tanhshrink threshold
abs absolute clamp clamp_max clamp_min clip erf exp exp2 expm1 log log10 log1p log2 reciprocal rsqrt sqrt square
arctan atan cos sin"""
_POOLING_NAMES = {
    getattr(owner, f"{kind}{dimensions}d"): f"{kind}{dimensions}d"
    for kind, owners in (("max_pool", (functional, torch)), ("adaptive_max_pool", (functional,)))
    for owner in owners
    for dimensions in (1, 2, 3)
}
_RULES: dict[Callable[..., Any], type[torch.autograd.Function]] = {
    **dict.fromkeys(_functions(_ELEMENTWISE, (functional, torch, torch.Tensor, torch.special)), _Elementwise),
    **dict.fromkeys(_POOLING_NAMES, _MaxPooling),
}
