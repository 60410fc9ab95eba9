r"""Gradients of a class's logit with respect to activations.

Notation:
    a: activations ``[N, C, h, w]``; a0: baseline ``[1, C, h, w]`` or ``[N, C, h, w]``.
    f: the suffix; c: the target class of each image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.models.split import SplitModel


def gradient_x_activation(
    split: SplitModel, activations: Tensor, baseline: Tensor | None, target: int | Tensor
) -> Tensor:
    r"""Gradient of the class's logit times activation, element by element.

    .. math:: A = a \odot \frac{\partial f_c(a)}{\partial a}

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``; they are not changed.
        baseline: not used; it is here so that all methods have the same arguments.
        target: one class index, or ``[N]`` of them.

    Returns:
        ``[N, C, h, w]`` in float32 or better, in units of the logit.

    Raises:
        ShapeError: ``target`` does not fit the activations.

    Source: Shrikumar et al., *Not just a black box*, 2016 (there for inputs). The product is the first-order effect of
    removing the activation. It is exact for a linear suffix without bias and a baseline of zero.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten(), torch.nn.Linear(2, 1)).eval()
        >>> _ = torch.nn.init.constant_(network[2].weight, 3.0)
        >>> gradient_x_activation(SplitModel(network, "0"), torch.tensor([[[[1.0, 2.0]]]]), None, 0)
        tensor([[[[3., 6.]]]])
    """
    del baseline
    return exact(activations) * logit_gradient(split, activations, target)


def logit_gradient(split: SplitModel, activations: Tensor, target: int | Tensor) -> Tensor:
    """Gradient ``[N, C, h, w]`` of each image's target logit with respect to its activations.

    It works whether or not the caller records gradients, and it leaves no gradients on the network's parameters. The
    result is in float32 or better.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten(), torch.nn.Linear(2, 1)).eval()
        >>> _ = torch.nn.init.constant_(network[2].weight, 3.0)
        >>> logit_gradient(SplitModel(network, "0"), torch.tensor([[[[1.0, 2.0]]]]), 0)
        tensor([[[[3., 3.]]]])
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = exact(activations).clone(memory_format=torch.preserve_format).requires_grad_()
        logits = split.suffix(leaf)
        (gradient,) = torch.autograd.grad(target_logits(logits, target).sum(), leaf)
    return gradient


def exact(values: Tensor) -> Tensor:
    """The values in float32 or better, without their history. In bfloat16, differences and sums are mostly rounding.

    Example:
        >>> exact(torch.ones(1, dtype=torch.bfloat16)).dtype, exact(torch.ones(1, dtype=torch.float64)).dtype
        (torch.float32, torch.float64)
    """
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))


def target_logits(logits: Tensor, target: int | Tensor) -> Tensor:
    """The logit ``[N]`` of each image's target class.

    Raises:
        ShapeError: the numbers of targets and images differ, or a target is not a class index.

    Example:
        >>> target_logits(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0]))
        tensor([2., 3.])
    """
    classes = torch.as_tensor(target, device=logits.device)
    if classes.ndim > 1 or (classes.ndim == 1 and len(classes) != len(logits)):
        raise ShapeError(
            f"target has shape {list(classes.shape)}; it needs one class index, or [{len(logits)}] of them"
        )
    wrong = classes[(classes < 0) | (classes >= logits.shape[1])]
    if wrong.numel():
        raise ShapeError(f"target has class index {int(wrong[0])}; the model has {logits.shape[1]} classes, from 0")
    return logits.gather(1, classes.expand(len(logits)).unsqueeze(1)).squeeze(1)


def check_baseline(activations: Tensor, baseline: Tensor) -> None:
    """Refuse a baseline that is neither one row nor one row for each activation.

    Raises:
        ShapeError: the baseline has another shape; the message names its shape and the allowed shapes.

    Example:
        >>> check_baseline(torch.zeros(3, 2, 1, 1), torch.zeros(2, 2, 1, 1))
        Traceback (most recent call last):
        conceptrast.base.errors.ShapeError: baseline has shape [2, 2, 1, 1]; it needs [1, 2, 1, 1] or [3, 2, 1, 1]
    """
    if baseline.shape[1:] != activations.shape[1:] or len(baseline) not in {1, len(activations)}:
        shape = list(activations.shape)
        raise ShapeError(f"baseline has shape {list(baseline.shape)}; it needs {[1, *shape[1:]]} or {shape}")
