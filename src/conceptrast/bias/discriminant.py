r"""The most discriminant direction of a latent space, and positions along it.

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
    """

    middle: np.ndarray
    unit: np.ndarray
    typical: np.ndarray

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
    # Refuse codes that cannot be told apart.
    values = np.asarray(codes, np.float64)
    labels = np.asarray(labels)
    if values.ndim != 2 or values.shape[:1] != labels.shape:
        raise ShapeError(f"codes {values.shape} need as many labels, got {labels.shape}")
    counts = np.bincount(labels, minlength=2)
    if len(counts) != 2 or not counts.all():
        raise ConceptrastError(f"a direction between two classes needs codes of both, got {counts.tolist()} of each")
    if not np.isfinite(values).all():
        raise ConceptrastError("a code is not finite")
    # Weighted regression.
    weights = 0.5 / counts[labels]
    middle = weights @ values
    root = np.sqrt(weights)
    around = values - middle
    solution = np.linalg.lstsq(root[:, None] * around, root * (2.0 * labels - 1.0), rcond=RANK)[0]
    length = float(np.linalg.norm(solution))
    if not length > 0:
        return Discriminant(middle=middle, unit=np.zeros_like(middle), typical=np.zeros_like(middle))
    # The direction, and the average change of codes along it.
    unit = solution / length
    positions = around @ unit
    typical = (weights * positions) @ around / (weights @ positions**2)
    return Discriminant(middle=middle, unit=unit, typical=typical)
