r"""Gradient descent on the hyperplanes of many pairs of classes at once.

Notation: ``F_i`` features ``[n_i, C]`` of class ``i``; a pair ``p = (A, B)`` labels A's features 0 and B's 1; ``W``
normals and ``b`` biases; logits ``z = F W^T + b``. A *side* is a class in a pair, so ``P`` pairs have ``2 P`` sides.
Normals and biases are kept for every side: ``M`` rows, which are the sides class by class, so that a class finds its
normals in one piece. Both sides of a pair have the same plane.

One step for all pairs costs two matrix products for each class: its features times the normals of all its sides, and
the way back. Classes of about the same size are padded and run in one batch. There is no loop over both pairs and
steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.processor import multiplies_small_bfloat16
from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.hyperplane_span import descend_in_span, has_few_features
from conceptrast.contrast.pairs import Pair
from conceptrast.models.inference import PRECISIONS, default_device

FULL = 0.8
"""Classes are padded together only if each has at least this share of the rows and sides of the largest."""


class ClassGroup(NamedTuple):
    """``G`` classes of about the same size. Each is padded to ``n`` rows and ``K`` sides."""

    rows: Tensor
    """``[G, n, C]``; the rows after a class's last feature are zero."""
    real: Tensor
    """``[G, n, 1]``: 1 for a feature, 0 for padding."""
    labels: Tensor
    """``[G, K, 1]`` the class's label on each side: 0 for the first class of the pair, 1 for the second."""
    place: slice
    """The rows of the group's sides."""


class Sides(NamedTuple):
    """All classes with their sides, in the order of the groups and their classes."""

    groups: list[ClassGroup]
    partners: Tensor
    """``[M]`` the row of the other side of the pair; a row of padding is its own partner."""
    counts: Tensor
    """``[M, 1]`` number of features of both classes of the pair; 1 for padding."""
    firsts: Tensor
    """``[P]`` the row of each pair's first side."""


def sides_of(
    features: Mapping[int, np.ndarray], pairs: Sequence[Pair], kind: torch.dtype, device: torch.device | str = "cpu"
) -> Sides:
    """Put classes into groups, so that rows and sides are padded by a fifth at most.

    Args:
        features: ``[n_i, C]`` by class.
        pairs: ordered pairs of classes.
        kind: the type of the features, and so of the matrix products.
        device: the device where the descent runs.

    Example:
        >>> features = {0: np.ones((9, 1)), 1: np.ones((3, 1)), 2: np.ones((10, 1))}
        >>> sides = sides_of(features, [(0, 1), (1, 2), (0, 2)], torch.float32)
        >>> [tuple(group.rows.shape) for group in sides.groups], sides.partners.tolist(), sides.firsts.tolist()
        ([(2, 10, 1), (1, 3, 1)], [5, 3, 4, 1, 2, 0], [2, 5, 3])
    """
    # The sides of each class: number of the pair, and the class's label in it.
    members: dict[int, list[tuple[int, int]]] = {}
    for number, pair in enumerate(pairs):
        for label, target in enumerate(pair):
            members.setdefault(target, []).append((number, label))

    # Groups of classes, and the row of each side.
    grouped: list[list[int]] = []
    for target in sorted(members, key=lambda target: (-len(features[target]), -len(members[target]), target)):
        if grouped and _fits(grouped[-1], target, features) and _fits(grouped[-1], target, members):
            grouped[-1].append(target)
        else:
            grouped.append([target])
    rows = np.zeros((len(pairs), 2), np.int64)
    starts = [0]
    for group in grouped:
        k = max(len(members[target]) for target in group)
        for turn, target in enumerate(group):
            for place, (number, label) in enumerate(members[target]):
                rows[number, label] = starts[-1] + turn * k + place
        starts.append(starts[-1] + k * len(group))

    # What belongs to the sides of a pair.
    partners = np.arange(starts[-1])
    partners[rows] = rows[:, ::-1]
    counts = np.ones(starts[-1], np.float32)
    counts[rows] = [[len(features[first]) + len(features[second])] * 2 for first, second in pairs]
    return Sides(
        groups=[
            _class_group(features, members, group, start=start, kind=kind, device=device)
            for group, start in zip(grouped, starts[:-1], strict=True)
        ],
        partners=torch.from_numpy(partners).to(device),
        counts=torch.from_numpy(counts[:, None]).to(device),
        firsts=torch.from_numpy(rows[:, 0].copy()).to(device),
    )


def _fits(group: Sequence[int], target: int, of: Mapping[int, Sized]) -> bool:
    """Whether a class is nearly as large as the largest of a group, and no larger."""
    most = max(len(of[member]) for member in group)
    return FULL * most <= len(of[target]) <= most


def _class_group(
    features: Mapping[int, np.ndarray],
    members: Mapping[int, Sequence[tuple[int, int]]],
    group: Sequence[int],
    start: int,
    kind: torch.dtype,
    device: torch.device | str,
) -> ClassGroup:
    """The features and labels of some classes, whose sides begin at the row ``start``."""
    # Arrays as large as the largest class.
    n, k = (max(len(of[target]) for target in group) for of in (features, members))
    rows = torch.zeros(len(group), n, features[group[0]].shape[1], dtype=kind)
    real = torch.zeros(len(group), n, 1)
    labels = torch.zeros(len(group), k, 1)

    # The values of each class.
    for place, target in enumerate(group):
        rows[place, : len(features[target])] = torch.from_numpy(features[target])
        real[place, : len(features[target])] = 1
        labels[place, : len(members[target]), 0] = torch.tensor([float(label) for _, label in members[target]])
    return ClassGroup(
        rows=rows.to(device),
        real=real.to(device),
        labels=labels.to(device),
        place=slice(start, start + len(group) * k),
    )


def descent_step(sides: Sides, normals: Tensor, biases: Tensor, learning_rate: float) -> None:
    r"""One step of gradient descent on the binary cross-entropy of all pairs, in place.

    .. math:: W_p \leftarrow W_p - \frac{\eta}{n_A + n_B} \sum_f (\sigma(z_{fp}) - y_{fp}) f, \qquad
        b_p \leftarrow b_p - \frac{\eta}{n_A + n_B} \sum_f (\sigma(z_{fp}) - y_{fp})

    Args:
        sides: features and sides of all classes, as :func:`sides_of` gives.
        normals: ``[M, C]`` float32; both sides of a pair have the same.
        biases: ``[M, 1]`` float32, likewise.
        learning_rate: :math:`\eta`.

    Example:
        >>> sides = sides_of({0: np.array([[1.0]]), 1: np.array([[3.0]])}, [(0, 1)], torch.float32)
        >>> normals, biases = torch.zeros(2, 1), torch.zeros(2, 1)
        >>> descent_step(sides, normals, biases, learning_rate=1.0)
        >>> normals.tolist(), biases.tolist()
        ([[0.5], [0.5]], [[0.0], [0.0]])
    """
    # Each class's part of the sums over features.
    sums: list[Tensor] = []
    shifts: list[Tensor] = []
    for group in sides.groups:
        # Rows are sides and columns are features. In this order both products are fastest.
        shape = group.labels.shape[:2]
        logits = torch.bmm(normals[group.place].unflatten(0, shape).to(group.rows.dtype), group.rows.mT).float()
        residuals = logits.add_(biases[group.place].unflatten(0, shape)).sigmoid_().sub_(group.labels)
        sums.append(torch.bmm(residuals.to(group.rows.dtype), group.rows).flatten(0, 1))
        shifts.append((residuals @ group.real).flatten(0, 1))

    # Both classes of a pair move its plane.
    for values, parts in ((normals, sums), (biases, shifts)):
        of_class = torch.cat(parts).float()
        of_pair = of_class.index_select(0, sides.partners).add_(of_class)
        values.addcdiv_(of_pair, sides.counts, value=-learning_rate)


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
            both. On a processor where small products of bfloat16 are slower, they are float32.

    Returns:
        Normals ``[P, C]`` and biases ``[P]``, float32.

    Raises:
        ConceptrastError: the descent gives numbers that are not finite.

    Pairs with few features are moved in coordinates of the features, always in float32: see
    :func:`~conceptrast.contrast.hyperplane_span.descend_in_span`. The steps are the same.

    Source: arXiv 2502.03422 and its code: ``torch.nn.Linear``, BCE, SGD 0.01, 100 steps, the whole batch.

    Example:
        >>> features = {4: np.array([[1.0, 0.0]], np.float32), 9: np.array([[0.0, 1.0]], np.float32)}
        >>> normals, biases = descend(features, [(4, 9)], Solver("zero", steps=1, learning_rate=4.0))
        >>> normals.tolist(), biases.tolist()
        ([[-1.0, 1.0]], [0.0])
    """
    device = default_device()
    channels = next(iter(features.values())).shape[1]
    start = _start(pairs, channels, solver.init, seed)
    if has_few_features(features, pairs):
        normals, biases = descend_in_span(features, pairs, solver, start, device=device)
    else:
        normals, biases = descend_in_channels(features, pairs, solver, start, device=device, precision=precision)
    if not (normals.isfinite().all() and biases.isfinite().all()):
        raise ConceptrastError(
            f"hyperplanes '{solver.name}' are not finite after {solver.steps} steps: lower the learning rate "
            f"{solver.learning_rate}"
        )
    return normals.cpu().numpy(), biases[:, 0].cpu().numpy()


def descend_in_channels(
    features: Mapping[int, np.ndarray],
    pairs: Sequence[Pair],
    solver: Solver,
    start: tuple[Tensor, Tensor],
    device: torch.device,
    precision: str = "float32",
) -> tuple[Tensor, Tensor]:
    """The descent by :func:`descent_step`, which moves the channels of all normals.

    Args:
        features, pairs, solver, precision: see :func:`descend`.
        start: normals ``[P, C]`` and biases ``[P, 1]`` from which the descent starts.
        device: where it runs.

    Returns:
        Normals ``[P, C]`` and biases ``[P, 1]``, float32 on the device.
    """
    narrow = precision == PRECISIONS[1] and (device.type != "cpu" or multiplies_small_bfloat16())
    kind = torch.bfloat16 if narrow else torch.float32
    sides = sides_of(features, pairs, kind, device)
    # Both sides of a pair start from the same plane, and rows of padding anywhere.
    normals, biases = (part.new_zeros((len(sides.partners), part.shape[1]), device=device) for part in start)
    for values, part in zip((normals, biases), start, strict=True):
        values[sides.firsts] = part.to(device)
        values[sides.partners[sides.firsts]] = part.to(device)
    for _ in range(solver.steps):
        descent_step(sides, normals, biases, learning_rate=solver.learning_rate)
    # One row for each pair.
    return normals[sides.firsts], biases[sides.firsts]


def _start(pairs: Sequence[Pair], channels: int, init: str, seed: int) -> tuple[Tensor, Tensor]:
    """The start: normals ``[P, C]`` and biases ``[P, 1]``, zero or drawn like torch's linear layer."""
    drawn = np.zeros((len(pairs), channels + 1), np.float32)
    if init == "random":
        bound = channels**-0.5
        for row, pair in zip(drawn, pairs, strict=True):
            row[:] = generator(Stream.PLANE_START, seed, *pair).uniform(-bound, bound, channels + 1)
    start = torch.from_numpy(drawn)
    return start[:, :-1].clone(), start[:, -1:].clone()
