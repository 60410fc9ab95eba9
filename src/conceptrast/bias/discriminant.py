r"""Directions of a latent space that tell two classes apart, and positions along them.

Notation: ``c`` codes ``[N, C]``, ``y`` labels 0 or 1 ``[N]``, ``u`` the direction, of length 1, from class 1 to
class 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptrast.base.errors import ConceptrastError, ShapeError

RANK = 1e-6
"""Singular values below this share of the largest count as zero: they are only rounding."""


@dataclass(frozen=True)
class Discriminant:
    """A line through a latent space.

    Args:
        middle: ``[C]``, half-way between the classes: the mean of all codes, with equal weight for both classes.
        unit: ``[C]``, of length 1, towards class 2.
        typical: ``[C]``, the average change of codes when their position rises by 1.
        reach: the position of class 2's mean code; that of class 1 is as far on the other side of the middle.
    """

    middle: np.ndarray
    unit: np.ndarray
    typical: np.ndarray
    reach: float

    def positions(self, codes: np.ndarray) -> np.ndarray:
        """The positions of codes along the line.

        Args:
            codes: ``[n, C]``.

        Returns:
            ``[n]``, in the units of the codes; 0 is the middle.
        """
        return (np.asarray(codes, np.float64) - self.middle) @ self.unit

    def codes(self, positions: np.ndarray) -> np.ndarray:
        """The codes on the line at some positions.

        Args:
            positions: ``[n]``, in the units of the codes.

        Returns:
            ``[n, C]``.
        """
        return self.middle + np.asarray(positions, np.float64)[:, None] * self.unit

    def typical_codes(self, positions: np.ndarray) -> np.ndarray:
        """The average codes at positions ``[n]``, by linear regression: ``[n, C]``.

        They have the same positions as the codes on the line, but they lie where real codes lie. Codes may hardly vary
        in the direction of a regression.
        """
        return self.middle + np.asarray(positions, np.float64)[:, None] * self.typical


def discriminant_direction(codes: np.ndarray, labels: np.ndarray) -> Discriminant:
    r"""The direction along which a linear regression tells both classes apart, with equal weight for both.

    .. math:: w = \arg\min_w \sum_i \frac{1}{2 n_{y_i}} \left(t_i - w \cdot (c_i - m)\right)^2, \qquad
              m = \sum_i \frac{c_i}{2 n_{y_i}}, \quad t_i = \pm 1, \qquad u = w / \lVert w \rVert

    The average of codes at position ``p`` is :math:`m + p\,q` with
    :math:`q = \sum_i p_i (c_i - m) / 2 n_{y_i} \,\big/ \sum_i p_i^2 / 2 n_{y_i}`; :math:`q \cdot u = 1`.

    Several :math:`w` are equally good if places of the code are always zero, or if there are fewer pictures than
    places. Then the shortest is taken, by singular values: it has no part in directions in which the codes do not vary.

    Args:
        codes: ``[N, C]``.
        labels: ``[N]``, 0 or 1.

    Returns:
        The direction. If both classes have the same mean code, it is all zeros, and every code has position 0.

    Raises:
        ShapeError: the numbers of codes and labels differ.
        ConceptrastError: a class has no code, or a code is not finite.

    Source: a regression weighted by the inverse of the label distribution, fitted in the latent space itself and not in
    a map of it. Typical codes follow Haufe et al. 2014; there, ``u`` is a filter and ``q`` its pattern.

    Example:
        >>> codes = np.array([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
        >>> direction = discriminant_direction(codes, np.array([0, 0, 1, 1]))
        >>> np.abs(direction.unit).round(6).tolist(), direction.positions(np.array([[4.0, 9.0]])).round(6).tolist()
        ([1.0, 0.0], [2.0])
    """
    values, weights, middle = _balanced(codes, labels)
    root = np.sqrt(weights)
    targets = 2.0 * np.asarray(labels) - 1.0
    solution = np.linalg.lstsq(root[:, None] * (values - middle), root * targets, rcond=RANK)[0]
    return _along(solution, values, labels, weights=weights)


def mean_difference(codes: np.ndarray, labels: np.ndarray) -> Discriminant:
    r"""The direction from the mean code of class 1 to that of class 2.

    .. math:: u = \frac{m_2 - m_1}{\lVert m_2 - m_1 \rVert}, \qquad m = \frac{m_1 + m_2}{2}

    Args:
        codes: ``[N, C]``.
        labels: ``[N]``, 0 or 1.

    Returns:
        The direction. If both classes have the same mean code, it is all zeros, and every code has position 0.

    Raises:
        ShapeError: the numbers of codes and labels differ.
        ConceptrastError: a class has no code, or a code is not finite.

    Source: the published direction of navigation.

    Example:
        >>> codes = np.array([[0.0, 1.0], [0.0, 3.0], [3.0, 6.0]])
        >>> direction = mean_difference(codes, np.array([0, 0, 1]))
        >>> direction.unit.round(6).tolist(), round(direction.reach, 6)
        ([0.6, 0.8], 2.5)
    """
    values, weights, _ = _balanced(codes, labels)
    second = np.asarray(labels) == 1
    return _along(values[second].mean(axis=0) - values[~second].mean(axis=0), values, labels, weights=weights)


def _balanced(codes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes in double precision, weights that make both classes equal, and the mean code by these weights."""
    values = np.asarray(codes, np.float64)
    labels = np.asarray(labels)
    if values.ndim != 2 or values.shape[:1] != labels.shape:
        raise ShapeError(f"codes {values.shape} need as many labels, got {labels.shape}")
    counts = np.bincount(labels, minlength=2)
    if len(counts) != 2 or not counts.all():
        raise ConceptrastError(f"a direction between two classes needs codes of both, got {counts.tolist()} of each")
    if not np.isfinite(values).all():
        raise ConceptrastError("a code is not finite")
    weights = 0.5 / counts[labels]
    return values, weights, weights @ values


def _along(vector: np.ndarray, values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Discriminant:
    """The line along ``vector`` through the middle of the classes, and the average change of codes along it."""
    middle = weights @ values
    length = float(np.linalg.norm(vector))
    if not length > 0:
        return Discriminant(middle=middle, unit=np.zeros_like(middle), typical=np.zeros_like(middle), reach=0.0)
    unit = vector / length
    around = values - middle
    positions = around @ unit
    typical = (weights * positions) @ around / (weights @ positions**2)
    reach = float(positions[np.asarray(labels) == 1].mean())
    return Discriminant(middle=middle, unit=unit, typical=typical, reach=reach)
