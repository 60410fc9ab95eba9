r"""Gradient descent on the hyperplanes of many pairs of classes at once.

Notation: ``F_i`` features ``[n_i, C]`` of class ``i``; a pair ``p = (A, B)`` labels A's features 0 and B's 1; ``W``
normals ``[P, C]`` and ``b`` biases ``[P]`` of all pairs; logits ``z = F W^T + b``. One step for all pairs costs two
matrix products for each class: its features times the normals of all its pairs, and the way back. Classes of about the
same size are padded and run in one batch. There is no loop over both pairs and steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.pairs import Pair
from conceptrast.models.inference import PRECISIONS, default_device

FULL = 0.8
"""Classes are padded together only if each has at least this share of the rows and pairs of the largest."""


class ClassGroup(NamedTuple):
    """The features of ``G`` classes of about the same size. Each is padded to ``n`` rows and ``K`` pairs."""

    rows: Tensor
    """``[G, n, C]``; the rows after a class's last feature are zero."""
    real: Tensor
    """``[G, 1, n]``: 1 for a feature, 0 for padding."""
    pairs: Tensor
    """``[G, K]`` the pairs that each class is part of; the number after the last pair means "no pair"."""
    labels: Tensor
    """``[G, K, 1]`` the class's label in each pair: 0 for the first class, 1 for the second."""


def class_groups(
    features: Mapping[int, np.ndarray], pairs: Sequence[Pair], kind: torch.dtype, device: torch.device | str = "cpu"
) -> list[ClassGroup]:
    """Put classes into groups, so that rows and pairs are padded by a fifth at most.

    Args:
        features: ``[n_i, C]`` by class.
        pairs: ordered pairs of classes.
        kind: the type of the rows, and so of the matrix products.
        device: the device where the descent runs.

    Example:
        >>> features = {0: np.ones((9, 1)), 1: np.ones((3, 1)), 2: np.ones((10, 1))}
        >>> [tuple(group.rows.shape) for group in class_groups(features, [(0, 1), (1, 2), (0, 2)], torch.float32)]
        [(2, 10, 1), (1, 3, 1)]
    """
    members: dict[int, list[tuple[int, float]]] = {}
    for number, pair in enumerate(pairs):
        for label, target in enumerate(pair):
            members.setdefault(target, []).append((number, float(label)))
    groups: list[list[int]] = []
    largest_first = sorted(members, key=lambda target: (-len(features[target]), -len(members[target]), target))
    for target in largest_first:
        if groups and _fits(groups[-1], target, features) and _fits(groups[-1], target, members):
            groups[-1].append(target)
        else:
            groups.append([target])
    padded = [_padded(features, members, group, none=len(pairs), kind=kind) for group in groups]
    return [ClassGroup(*(tensor.to(device) for tensor in group)) for group in padded]


def _fits(group: Sequence[int], target: int, of: Mapping[int, Sized]) -> bool:
    """Whether a class is nearly as large as the largest of a group, and no larger."""
    most = max(len(of[member]) for member in group)
    return FULL * most <= len(of[target]) <= most


def _padded(
    features: Mapping[int, np.ndarray],
    members: Mapping[int, list[tuple[int, float]]],
    group: Sequence[int],
    none: int,
    kind: torch.dtype,
) -> ClassGroup:
    """The features of some classes, and their pairs; the number ``none`` means "no pair"."""
    # Arrays as large as the largest class.
    n, k = (max(len(of[target]) for target in group) for of in (features, members))
    rows = torch.zeros(len(group), n, features[group[0]].shape[1], dtype=kind)
    real = torch.zeros(len(group), 1, n)
    pairs = torch.full((len(group), k), none)
    labels = torch.zeros(len(group), k, 1)

    # The values of each class.
    for place, target in enumerate(group):
        memberships = torch.tensor(members[target])
        rows[place, : len(features[target])] = torch.from_numpy(features[target])
        real[place, :, : len(features[target])] = 1
        pairs[place, : len(memberships)] = memberships[:, 0].long()
        labels[place, : len(memberships), 0] = memberships[:, 1]
    return ClassGroup(rows=rows, real=real, pairs=pairs, labels=labels)


def descent_step(
    groups: Sequence[ClassGroup], counts: Tensor, normals: Tensor, biases: Tensor, learning_rate: float
) -> None:
    r"""One step of gradient descent on the binary cross-entropy of all pairs, in place.

    .. math:: W_p \leftarrow W_p - \frac{\eta}{n_A + n_B} \sum_f (\sigma(z_{fp}) - y_{fp}) f, \qquad
        b_p \leftarrow b_p - \frac{\eta}{n_A + n_B} \sum_f (\sigma(z_{fp}) - y_{fp})

    Args:
        groups: features and pairs of all classes, as :func:`class_groups` gives.
        counts: ``[P + 1, 1]`` the number of features of both classes of each pair; 1 for "no pair".
        normals: ``[P + 1, C]`` float32; the last row stands for "no pair" and has no meaning.
        biases: ``[P + 1, 1]`` float32, likewise.
        learning_rate: :math:`\eta`.

    Example:
        >>> groups = class_groups({0: np.array([[1.0]]), 1: np.array([[3.0]])}, [(0, 1)], torch.float32)
        >>> normals, biases = torch.zeros(2, 1), torch.zeros(2, 1)
        >>> descent_step(groups, torch.tensor([[2.0], [1.0]]), normals, biases, learning_rate=1.0)
        >>> normals[0], biases[0]
        (tensor([0.5000]), tensor([0.]))
    """
    steps = torch.zeros_like(normals)
    shifts = torch.zeros_like(biases)
    for rows, real, pairs, labels in groups:
        # Rows are pairs and columns are features. In this order both products are fastest.
        logits = torch.bmm(normals[pairs].to(rows.dtype), rows.mT).float() + biases[pairs]
        residuals = logits.sigmoid_().sub_(labels).mul_(real)
        steps.index_add_(0, pairs.flatten(), torch.bmm(residuals.to(rows.dtype), rows).float().flatten(0, 1))
        shifts.index_add_(0, pairs.flatten(), residuals.sum(2).reshape(-1, 1))
    normals.addcdiv_(steps, counts, value=-learning_rate)
    biases.addcdiv_(shifts, counts, value=-learning_rate)


def descend(
    features: Mapping[int, np.ndarray],
    pairs: Sequence[Pair],
    solver: Solver,
    seed: int = 0,
    precision: str = "float32",
) -> tuple[np.ndarray, np.ndarray]:
    """Hyperplanes of many pairs by full-batch gradient descent.

    Args:
        features: ``[n_i, C]`` by class.
        pairs: the ordered pairs of classes, each once.
        solver: the start, the steps and the learning rate.
        seed: the seed of a random start; each ordered pair has its own draw, which does not depend on the other pairs.
        precision: the precision of the matrix products, ``float32`` or ``bfloat16``; normals and biases are float32 in
            both.

    Returns:
        Normals ``[P, C]`` and biases ``[P]``, float32.

    Raises:
        ConceptrastError: the descent gives numbers that are not finite.

    Source: arXiv 2502.03422 and its code: ``torch.nn.Linear``, BCE, SGD 0.01, 100 steps, the whole batch.

    Example:
        >>> features = {4: np.array([[1.0, 0.0]], np.float32), 9: np.array([[0.0, 1.0]], np.float32)}
        >>> normals, biases = descend(features, [(4, 9)], Solver("zero", steps=1, learning_rate=4.0))
        >>> normals.tolist(), biases.tolist()
        ([[-1.0, 1.0]], [0.0])
    """
    # Features and pairs, where the descent runs.
    device = default_device()
    kind = torch.bfloat16 if precision == PRECISIONS[1] else torch.float32
    groups = class_groups(features, pairs, kind, device)
    sizes = [[len(features[first]) + len(features[second])] for first, second in pairs]
    counts = torch.tensor([*sizes, [1]], device=device)

    # Start and descent.
    channels = next(iter(features.values())).shape[1]
    normals, biases = (start.to(device) for start in _start(pairs, channels, solver.init, seed))
    for _ in range(solver.steps):
        descent_step(groups, counts, normals, biases, learning_rate=solver.learning_rate)

    # The last row stands for "no pair".
    normals = normals[:-1]
    biases = biases[:-1]
    if not (normals.isfinite().all() and biases.isfinite().all()):
        raise ConceptrastError(
            f"hyperplanes '{solver.name}' are not finite after {solver.steps} steps: lower the learning rate "
            f"{solver.learning_rate}"
        )
    return normals.cpu().numpy(), biases[:, 0].cpu().numpy()


def _start(pairs: Sequence[Pair], channels: int, init: str, seed: int) -> tuple[Tensor, Tensor]:
    """The start: normals ``[P + 1, C]`` and biases ``[P + 1, 1]``, zero or drawn like torch's linear layer."""
    drawn = np.zeros((len(pairs) + 1, channels + 1), np.float32)
    if init == "random":
        bound = channels**-0.5
        for row, pair in zip(drawn[:-1], pairs, strict=True):
            row[:] = generator(Stream.PLANE_START, seed, *pair).uniform(-bound, bound, channels + 1)
    start = torch.from_numpy(drawn)
    return start[:, :-1].clone(), start[:, -1:].clone()
