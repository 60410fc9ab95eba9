r"""Testing with concept activation vectors (TCAV): does a class become more likely towards a concept?

Notation: ``P`` activations of a concept's segments, ``R`` of random segments, each ``[D, n, C]`` for ``D`` draws;
``v`` CAVs ``[D, C]`` of length 1, positive on the concept's side; ``G`` gradients ``[N, C]`` of a class's logit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.models.split import SplitModel

#: Strength of the ridge penalty, in units of the mean squared length of the centred activations. At 0.1 the
#: result would depend more on the random segments drawn than on the few dozen examples of the concept.
RIDGE = 1.0
HELDOUT = 1 / 3


@dataclass(frozen=True)
class Cavs:
    """CAVs ``[D, C]``, and for each draw the share of held-out segments on their own side ``[D]``."""

    vectors: np.ndarray
    accuracy: np.ndarray


def class_gradients(split: SplitModel, activations: Tensor, target: int, batch_size: int = 64) -> np.ndarray:
    r"""Gradient of a class's logit with respect to the activations, summed over positions.

    .. math:: G_{nc} = \sum_p \frac{\partial f_t}{\partial a_{ncp}}(a_n)

    ``G · v`` is the derivative of the logit when ``v`` is added at every position. Only the suffix runs.

    Args:
        split: the model, cut at a layer.
        activations: ``[N, C, h, w]``; with class tokens as ``split.complete`` has them, and the vector is not added to
            those.
        target: class index ``t``.
        batch_size: the number of images that run together.

    Returns:
        ``[N, C]`` float64, logits per unit of the activation.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Identity(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> class_gradients(SplitModel(network.eval(), "0"), torch.zeros(1, 3, 2, 2), target=1).tolist()
        [[0.0, 1.0, 0.0]]
    """
    parts = []
    split = split.complete
    for batch in activations.split(batch_size):
        with torch.enable_grad():
            inputs = batch.clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(split.suffix(inputs)[:, target].sum(), inputs)
        parts.append(split.patches(gradient).sum((2, 3)).double().cpu().numpy())
    return np.concatenate(parts)


def fit_cavs(positives: np.ndarray, negatives: np.ndarray) -> Cavs:
    r"""Fit a linear classifier for every draw, all at once, by regularised least squares. Its normal is the CAV.

    .. math:: \min_{w, b} \sum_i (w \cdot x_i + b - y_i)^2 + \lambda \|w\|^2, \qquad y_i = \pm 1, \qquad
              \lambda = \frac{1}{n} \sum_i \|x_i - \bar x\|^2, \qquad v = w / \|w\|

    Args:
        positives: ``[D, n, C]`` activations of a concept's segments; the first third of each draw is held out.
        negatives: ``[D, m, C]`` activations of random segments; the first third of each draw is held out.

    Returns:
        The CAVs and their accuracy: the share of held-out segments on their own side, averaged over both sides. A draw
        whose segments are all the same has no direction: its CAV is zero.

    Raises:
        ShapeError: the draws or the channels differ, or a side has fewer than two segments.

    Source: Kim et al. 2018 (arXiv 1711.11279), section 3.2. Deviation: we use least squares in closed form instead of a
    hinge loss by stochastic gradient descent. So there is no seed, no step size and no stopping rule.

    Example:
        >>> cavs = fit_cavs(np.array([[[3.0, 0.0], [2.0, 0.0], [4.0, 0.0]]]), np.array([[[0.0, 0.0]] * 3]))
        >>> cavs.vectors.tolist(), cavs.accuracy.tolist()
        ([[1.0, 0.0]], [1.0])
    """
    same = positives.shape[0] == negatives.shape[0] and positives.shape[2] == negatives.shape[2]
    if not same or min(positives.shape[1], negatives.shape[1]) < 2:
        raise ShapeError(
            f"positives {positives.shape} and negatives {negatives.shape} must be [draws, at least 2, channels]"
        )

    # The fit, without the held-out first segments of either side.
    held = [max(1, int(examples.shape[1] * HELDOUT)) for examples in (positives, negatives)]
    rows = np.concatenate([positives[:, held[0] :], negatives[:, held[1] :]], axis=1).astype(np.float64)
    targets = np.repeat([1.0, -1.0], [positives.shape[1] - held[0], negatives.shape[1] - held[1]])
    weights, biases = _ridge(rows, targets)

    # The sides on which the held-out segments lie.
    sides = [
        (np.einsum("dnc,dc->dn", examples[:, :count].astype(np.float64), weights) + biases[:, None]) * sign > 0
        for examples, count, sign in zip((positives, negatives), held, (1, -1), strict=True)
    ]

    # Scale to length 1.
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    vectors = np.divide(weights, lengths, out=np.zeros_like(weights), where=lengths > 0)
    return Cavs(vectors=vectors, accuracy=np.mean([side.mean(axis=1) for side in sides], axis=0))


def tcav_scores(gradients: np.ndarray, cavs: np.ndarray) -> np.ndarray:
    r"""The share of a class's images whose logit rises towards a concept.

    .. math:: \mathrm{TCAV} = \frac{1}{N} |\{n : G_n \cdot v > 0\}|

    Args:
        gradients: ``[N, C]`` of the class's images.
        cavs: ``[D, C]``.

    Returns:
        ``[D]`` between 0 and 1.

    Source: Kim et al. 2018, equation 1.

    Example:
        >>> tcav_scores(np.array([[1.0, 0.0], [-1.0, 0.5]]), np.eye(2)).tolist()
        [0.5, 0.5]
    """
    return (gradients @ cavs.T > 0).mean(axis=0)


def two_sided_p(scores: np.ndarray, random: np.ndarray) -> float:
    """Welch's t-test: the probability of a difference of means at least this large if both groups had the same mean.

    Args:
        scores: the scores of a concept, ``[n]``.
        random: the scores of CAVs of random segments, ``[m]``.

    Returns:
        The p-value, above 0 and at most 1. If neither side varies, it is 1 for equal sides. For different sides it
        comes from the exact permutation test: the share of all divisions of the ``n + m`` scores that separate them as
        cleanly.

    Source: Kim et al. 2018, section 3.5 (Student's test). Deviation: we use Welch's test, because a concept's scores
    hardly vary while the scores of random CAVs cover the whole range.

    Example:
        >>> round(two_sided_p(np.array([1.0, 1.0, 0.9]), np.array([0.0, 1.0, 0.0, 0.5])), 3)
        0.089
        >>> two_sided_p(np.ones(3), np.ones(4)), two_sided_p(np.ones(3), np.zeros(3))
        (1.0, 0.1)
    """
    samples = (np.asarray(scores, np.float64), np.asarray(random, np.float64))
    difference = samples[0].mean() - samples[1].mean()
    parts = np.array([sample.var(ddof=1) / len(sample) for sample in samples])
    if parts.max() < 1e-18:
        return 1.0 if abs(difference) < 1e-9 else 2 / comb(sum(map(len, samples)), len(samples[0]))
    # Computed here because scipy warns if one side does not vary, and the scores of a strong concept do not.
    freedom = parts.sum() ** 2 / sum(part**2 / (len(sample) - 1) for part, sample in zip(parts, samples, strict=True))
    return float(2 * stats.t.sf(abs(difference) / np.sqrt(parts.sum()), freedom))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for their number. This bounds the chance of even one false finding among all of them.

    Holm's step-down method does not need independent tests. Tests of concepts on the same images are not independent.

    Args:
        p_values: ``[n]``.

    Returns:
        ``[n]``, at most 1.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1)).clip(max=1.0)
    corrected = np.empty(len(p_values))
    corrected[order] = steps
    return corrected


def _ridge(rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[D, C]`` and biases ``[D]`` for rows ``[D, n, C]``, by the dual: ``n`` is smaller than ``C``."""
    centre = rows.mean(axis=1, keepdims=True)
    centred = rows - centre
    gram = centred @ centred.transpose(0, 2, 1)
    penalty = RIDGE * np.trace(gram, axis1=1, axis2=2) / rows.shape[1]
    # If all rows are the same, there is nothing to solve: any penalty gives zero.
    system = gram + np.where(penalty > 0, penalty, 1.0)[:, None, None] * np.eye(rows.shape[1])
    dual = np.linalg.solve(system, np.broadcast_to(targets - targets.mean(), rows.shape[:2])[..., None])
    weights = (centred.transpose(0, 2, 1) @ dual)[..., 0]
    return weights, targets.mean() - np.einsum("dc,dc->d", centre[:, 0], weights)
