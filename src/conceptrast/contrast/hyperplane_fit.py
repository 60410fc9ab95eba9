r"""Fit hyperplanes between the features of pairs of classes, and measure how well they tell the classes apart.

Notation: ``F_i`` features ``[n_i, C]`` of class ``i``; a pair ``p = (A, B)`` labels A's features 0 and B's 1; ``W``
normals ``[P, C]`` and ``b`` biases ``[P]`` of all pairs. A normal points from A towards B. The logits ``z = F W^T + b``
are negative on A's side.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from conceptrast.base.errors import ShapeError
from conceptrast.contrast.hyperplane_descent import descend
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.pairs import Pair

LOGGER = logging.getLogger("conceptrast")


def regress(features: Mapping[int, np.ndarray], pairs: Sequence[Pair], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Hyperplanes by scikit-learn's logistic regression, one pair after the other.

    Args:
        features: ``[n_i, C]`` by class.
        pairs: pairs of classes.
        name: the name of the solver, for the warning that a regression did not converge.

    Returns:
        Normals ``[P, C]`` and biases ``[P]``, float32.
    """
    # This import takes a second, and steps that only read hyperplanes do not need it.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    normals = []
    biases = []
    late = 0
    for first, second in pairs:
        rows = np.concatenate([features[first], features[second]])
        labels = np.repeat([0, 1], [len(features[first]), len(features[second])])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            fitted = LogisticRegression(max_iter=10_000).fit(rows, labels)
        late += any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        normals.append(fitted.coef_[0].astype(np.float32))
        biases.append(float(fitted.intercept_[0]))
    if late:
        LOGGER.warning("hyperplanes '%s': %d of %d regressions did not converge", name, late, len(pairs))
    return np.stack(normals), np.array(biases, np.float32)


def fit_pairs(
    features: Mapping[int, tuple[np.ndarray, np.ndarray]],
    pairs: Sequence[Pair],
    solver: Solver,
    seed: int = 0,
    precision: str = "float32",
) -> dict[str, np.ndarray]:
    """Hyperplanes of pairs of classes, and how well they tell the classes apart.

    Args:
        features: by class, the features to fit with and the features of held-out images, as :meth:`Features.split`
            gives.
        pairs: unordered pairs, each once. A solver that is not antisymmetric also fits each pair in the other order.
        solver: how the hyperplanes are fitted.
        seed: see :func:`descend`.
        precision: the precision of the matrix products of gradient descent.

    Returns:
        Arrays by name: first ``[P]``, second ``[P]``, normals ``[P, C]``, their lengths ``[P]``, biases ``[P]``,
        train_accuracy ``[P]`` and, where images are held out, heldout_accuracy ``[P]``; skipped ``[S, 2]`` are the
        pairs that no plane separates, because all features of both classes are the same or the normal is zero.

    Raises:
        ShapeError: a pair names the same class twice, or a class without features.
        ConceptrastError: the descent gives numbers that are not finite.

    Example:
        >>> features = {3: (np.array([[1.0, 0.0]], np.float32),) * 2, 5: (np.array([[0.0, 1.0]], np.float32),) * 2}
        >>> fitted = fit_pairs(features, [(3, 5)], Solver("zero"))
        >>> (fitted["normals"] > 0).tolist(), fitted["heldout_accuracy"].tolist()
        ([[False, True]], [1.0])
    """
    for first, second in pairs:
        if first == second:
            raise ShapeError(f"a pair needs two classes, got {first} twice")
        if missing := [target for target in (first, second) if target not in features]:
            raise ShapeError(f"class {missing[0]} has no features")
    # Normals of the pairs whose features differ.
    usable = [pair for pair in pairs if not _indistinct(*(features[target][0] for target in pair))]
    if not solver.antisymmetric:
        usable += [(second, first) for first, second in usable]
    training = {target: rows for target, (rows, _) in features.items()}
    normals, biases = _fitted(training, usable, solver, seed=seed, precision=precision)

    # Normals that are not zero. A start at zero stays there if both classes have as many features with the same sum.
    lengths = np.linalg.norm(normals, axis=1)
    separates = lengths > 0
    usable = [pair for pair, kept in zip(usable, separates, strict=True) if kept]
    normals = normals[separates]
    biases = biases[separates]
    lengths = lengths[separates]
    inseparable = {frozenset(pair) for pair in pairs} - {frozenset(pair) for pair in usable}
    arrays: dict[str, np.ndarray] = {
        "first": np.array([first for first, _ in usable], np.int64),
        "second": np.array([second for _, second in usable], np.int64),
        "normals": normals,
        "biases": biases,
        "lengths": lengths,
        "skipped": np.array(sorted(tuple(sorted(pair)) for pair in inseparable), np.int64).reshape(-1, 2),
    }

    # How well they tell the classes apart.
    for number, name in enumerate(("train_accuracy", "heldout_accuracy")):
        rows = {target: features[target][number] for pair in usable for target in pair}
        if rows and all(len(vectors) for vectors in rows.values()):
            arrays[name] = accuracies(rows, usable, normals, biases)
    return arrays


def _fitted(
    features: Mapping[int, np.ndarray], pairs: Sequence[Pair], solver: Solver, seed: int, precision: str
) -> tuple[np.ndarray, np.ndarray]:
    """Normals ``[P, C]`` and biases ``[P]`` by the solver."""
    if not pairs:
        return np.empty((0, 0), np.float32), np.empty(0, np.float32)
    if solver.solver == "logistic":
        return regress(features, pairs, solver.name)
    return descend(features, pairs, solver, seed=seed, precision=precision)


def accuracies(
    features: Mapping[int, np.ndarray], pairs: Sequence[Pair], normals: np.ndarray, biases: np.ndarray
) -> np.ndarray:
    """For each pair, the share of both classes' features that lie on their own side: ``[P]``.

    Args:
        features: ``[n_i, C]`` by class.
        pairs: ordered pairs of classes.
        normals: ``[P, C]``.
        biases: ``[P]``.

    Example:
        >>> features = {0: np.array([[1.0], [4.0]]), 1: np.array([[3.0]])}
        >>> accuracies(features, [(0, 1)], np.array([[1.0]]), np.array([-2.0])).round(3).tolist()
        [0.667]
    """
    right = np.zeros(len(pairs))
    total = np.zeros(len(pairs))
    for target, rows in features.items():
        with_class = np.array([number for number, pair in enumerate(pairs) if target in pair], np.int64)
        is_second = np.array([pairs[number][1] == target for number in with_class], bool)
        logits = rows @ normals[with_class].T + biases[with_class]
        right[with_class] += ((logits > 0) == is_second).sum(axis=0)
        total[with_class] += len(rows)
    return right / np.maximum(total, 1)


def _indistinct(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether all features of two classes are the same vector."""
    return bool((first == first[0]).all() and (second == first[0]).all())
