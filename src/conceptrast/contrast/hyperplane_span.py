r"""Gradient descent on hyperplanes between classes with few features: in coordinates of the features.

Every step of the descent adds a sum of features to the normal. So a normal that starts at :math:`w_0` is always
:math:`w_0 + X^T \alpha`, and the descent needs only the products of the features with each other.

Notation: a pair has features ``X`` ``[n, C]`` of both classes with labels ``y`` ``[n]``, Gram matrix ``G = X X^T``,
coordinates ``α`` ``[n]`` and bias ``b``. Classes are padded to the same number of features; padding is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.pairs import Pair

FEW = 0.25
"""A step costs less in coordinates of the features if a pair has at most this share of its channels as features."""

CACHED = 2**18
"""Values of Gram matrices that are used together on a processor: 1 MiB, which its second cache holds."""

AT_ONCE = 2**26
"""The same on a GPU: 256 MiB."""


def has_few_features(features: Mapping[int, np.ndarray], pairs: Sequence[Pair]) -> bool:
    """Whether all pairs have so few features that :func:`descend_in_span` is the faster way.

    Example:
        >>> has_few_features({0: np.zeros((1, 8)), 1: np.zeros((1, 8)), 2: np.zeros((2, 8))}, [(0, 1)])
        True
        >>> has_few_features({0: np.zeros((1, 8)), 1: np.zeros((1, 8)), 2: np.zeros((2, 8))}, [(0, 1), (0, 2)])
        False
    """
    channels = next(iter(features.values())).shape[1]
    return all(len(features[first]) + len(features[second]) <= FEW * channels for first, second in pairs)


def descend_in_span(
    features: Mapping[int, np.ndarray],
    pairs: Sequence[Pair],
    solver: Solver,
    start: tuple[Tensor, Tensor],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    r"""The same descent as :func:`~conceptrast.contrast.hyperplane_descent.descend`, in coordinates of the features.

    .. math:: z = X w_0 + G \alpha + b, \qquad r = \sigma(z) - y, \qquad
        \alpha \leftarrow \alpha - \frac{\eta}{n} r, \qquad b \leftarrow b - \frac{\eta}{n} \sum_i r_i, \qquad
        w = w_0 + X^T \alpha

    Args:
        features: ``[n_i, C]`` by class.
        pairs: the ordered pairs of classes.
        solver: the steps and the learning rate.
        start: normals ``[P, C]`` and biases ``[P, 1]`` from which the descent starts.
        device: where it runs.

    Returns:
        Normals ``[P, C]`` and biases ``[P, 1]``, float32 on the device.

    Example:
        >>> features = {4: np.array([[1.0, 0.0]], np.float32), 9: np.array([[0.0, 1.0]], np.float32)}
        >>> solver = Solver("zero", steps=1, learning_rate=4.0)
        >>> start = (torch.zeros(1, 2), torch.zeros(1, 1))
        >>> normals, biases = descend_in_span(features, [(4, 9)], solver, start, torch.device("cpu"))
        >>> normals.tolist(), biases.tolist()
        ([[-1.0, 1.0]], [[0.0]])
    """
    # All classes that are part of a pair, padded, and the products of each class's features.
    targets = sorted({target for pair in pairs for target in pair})
    most = max(len(features[target]) for target in targets)
    channels = features[targets[0]].shape[1]
    rows = torch.zeros(len(targets), most, channels)
    real = torch.zeros(len(targets), most)
    for place, target in enumerate(targets):
        rows[place, : len(features[target])] = torch.from_numpy(features[target])
        real[place, : len(features[target])] = 1
    rows = rows.to(device)
    real = real.to(device)
    products = torch.bmm(rows, rows.mT)

    # Some pairs at a time.
    place_of = {target: place for place, target in enumerate(targets)}
    places = torch.tensor([[place_of[first], place_of[second]] for first, second in pairs], device=device)
    labels = torch.cat([torch.zeros(most), torch.ones(most)]).to(device)
    size = max(1, (CACHED if device.type == "cpu" else AT_ONCE) // (2 * most) ** 2)
    normals = []
    biases = []
    for numbers in torch.arange(len(pairs), device=device).split(size):
        first, second = places[numbers].T
        first_rows = rows[first]
        second_rows = rows[second]
        # Their Gram matrices, and the logits of their features at the start.
        between = torch.bmm(first_rows, second_rows.mT)
        upper = torch.cat([products[first], between], dim=2)
        lower = torch.cat([between.mT, products[second]], dim=2)
        gram = torch.cat([upper, lower], dim=1)
        normal, bias = (part[numbers.to(part.device)].to(device) for part in start)
        logits = torch.cat([torch.bmm(part, normal[:, :, None]) for part in (first_rows, second_rows)], dim=1)[:, :, 0]
        # The descent, and what its coordinates stand for.
        is_real = torch.cat([real[first], real[second]], dim=1)
        coordinates, bias = _descend(gram, logits, is_real, labels, bias=bias, solver=solver)
        for part, side in zip(coordinates.split(most, dim=1), (first_rows, second_rows), strict=True):
            normal = normal + torch.bmm(part[:, None], side)[:, 0]
        normals.append(normal)
        biases.append(bias)
    return torch.cat(normals), torch.cat(biases)


def _descend(
    gram: Tensor, logits: Tensor, real: Tensor, labels: Tensor, bias: Tensor, solver: Solver
) -> tuple[Tensor, Tensor]:
    """Coordinates ``[p, n]`` and biases ``[p, 1]`` after all steps.

    Args:
        gram: ``[p, n, n]``.
        logits: ``[p, n]`` of the start, without the bias.
        real: ``[p, n]``: 1 for a feature, 0 for padding.
        labels: ``[n]``.
        bias: ``[p, 1]`` of the start.
        solver: the steps and the learning rate.
    """
    coordinates = torch.zeros_like(logits)
    rate = solver.learning_rate / real.sum(dim=1, keepdim=True) * real
    for _ in range(solver.steps):
        # A row times the symmetric matrix: eight times faster on a processor than the matrix times a column.
        moved = torch.baddbmm(logits[:, None], coordinates[:, None], gram)[:, 0]
        residuals = moved.add_(bias).sigmoid_().sub_(labels).mul_(rate)
        coordinates.sub_(residuals)
        bias = bias - residuals.sum(dim=1, keepdim=True)
    return coordinates, bias
