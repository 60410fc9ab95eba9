r"""What a person sees along a direction: how far pictures at its two ends are turned.

Real pictures are the validation pictures turned by *any* angle. Along a direction that knows the class alone, they are
turned alike at both ends. (Pictures with the planted angles are not: there, whatever tells the classes apart sorts the
angles too.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from conceptrast.base.statistics import bootstrap_interval
from conceptrast.base.streams import Stream, generator
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.discriminant import Discriminant
from conceptrast.bias.rotation_regressor import RotationRegressor, as_degrees

END = 0.2
"""Share of the pictures that make up one end of a direction."""
RESAMPLES = 2000
DISTANCES = 8
"""Points of a curve over distances; each stands for as many pairs of pictures."""


def turn_along(positions: np.ndarray, angles: np.ndarray, seed: int = 0) -> dict[str, float]:
    """How much further pictures are turned at the end of class 2 than at that of class 1, in degrees.

    Args:
        positions: ``[n]`` along the direction.
        angles: ``[n]``, degrees.
        seed: the seed of the resampling.

    Returns:
        turn, the mean angle of the last fifth minus that of the first; turn_low and turn_high, percentiles of 2,000
        resamples of the pictures.

    Example:
        >>> turn_along(np.arange(100.0), np.repeat([30.0, 150.0], 50))["turn"]
        120.0
    """
    n = len(positions)
    size = max(1, round(END * n))

    def difference(rows: np.ndarray) -> np.ndarray:
        ordered = np.take_along_axis(rows, np.argsort(positions[rows], axis=-1, kind="stable"), axis=-1)
        ends = angles[ordered[..., -size:]], angles[ordered[..., :size]]
        return ends[0].mean(axis=-1) - ends[1].mean(axis=-1)

    resamples = difference(generator(Stream.RESAMPLED_ENDS, seed).integers(0, n, (RESAMPLES, n)))
    low, high = np.quantile(resamples, [0.025, 0.975]).tolist()
    return {"turn": float(difference(np.arange(n))), "turn_low": low, "turn_high": high}


@torch.inference_mode()
def readings_of_codes(
    autoencoder: Autoencoder, regressor: RotationRegressor, codes: np.ndarray, batch: int = 256
) -> np.ndarray:
    """Angles in degrees ``[n]`` that the regressor reads off the pictures decoded from codes ``[n, 128]``.

    Negative values of codes count as 0, as in real codes.
    """
    device = next(autoencoder.parameters()).device
    parts = torch.from_numpy(np.asarray(codes)).float().clamp(min=0).split(batch)
    return np.concatenate([as_degrees(regressor(autoencoder.decode(part.to(device)))) for part in parts])


def moved_codes(codes: np.ndarray, direction: Discriminant) -> tuple[np.ndarray, np.ndarray]:
    """Codes ``[n, C]`` moved along a direction to the place of class 1's mean, and to that of class 2's.

    Example:
        >>> axis = np.array([1.0, 0.0])
        >>> first, second = moved_codes(np.array([[5.0, 7.0]]), Discriminant(np.zeros(2), axis, axis, reach=2.0))
        >>> first.tolist(), second.tolist()
        ([[-2.0, 7.0]], [[2.0, 7.0]])
    """
    without = codes - direction.positions(codes)[:, None] * direction.unit
    return without - direction.reach * direction.unit, without + direction.reach * direction.unit


def decoded_turn(
    direction: Discriminant, codes: np.ndarray, read: Callable[[np.ndarray], np.ndarray], seed: int = 0
) -> dict[str, Any]:
    """How decoded pictures turn when their codes are moved from class 1 to class 2, in degrees.

    Args:
        direction: the direction.
        codes: ``[n, C]`` of pictures.
        read: gives the angles that are read off the pictures decoded from codes.
        seed: the seed of the resampling.

    Returns:
        decoded_turn, the mean change, the shorter way round, with its 95 % bootstrap interval.
    """
    first, second = (read(moved) for moved in moved_codes(codes, direction))
    changes = (second - first + 180) % 360 - 180
    low, high = bootstrap_interval(changes, seed=seed)
    return {"decoded_turn": float(changes.mean()), "decoded_turn_low": low, "decoded_turn_high": high}


@dataclass(frozen=True)
class DifferenceCurve:
    """Differences of rotation over distances along a direction, and what a perfect separator of the classes gives.

    Args:
        distance: ``[D]``, the mean distance of pairs.
        difference: ``[D]``, degrees: the mean difference of their rotations.
        separator: ``[D]``, degrees: the same if positions know the class alone. Pairs then differ in rotation as pairs
            of their two classes do on average.
    """

    distance: np.ndarray
    difference: np.ndarray
    separator: np.ndarray

    @property
    def excess(self) -> float:
        """The root of the mean squared difference between both, in degrees."""
        return float(np.sqrt(((self.difference - self.separator) ** 2).mean()))


def difference_curve(positions: np.ndarray, rotations: np.ndarray, labels: np.ndarray) -> DifferenceCurve:
    """The published curve: how different the rotations of two pictures are, over their distance along a direction.

    Args:
        positions: ``[n]``.
        rotations: ``[n]``, degrees.
        labels: ``[n]``, 0 or 1.

    Example:
        >>> labels = np.repeat([0, 1], 20)
        >>> curve = difference_curve(2.0 * labels, 45 + 90.0 * labels, labels)
        >>> curve.difference.tolist() == curve.separator.tolist(), curve.difference[[0, -1]].tolist()
        (True, [0.0, 90.0])
    """
    first, second = np.triu_indices(len(positions), 1)
    distances = np.abs(positions[first] - positions[second])
    differences = np.abs(rotations[first] - rotations[second])
    classes = labels[first] + labels[second]  # 0 or 2 within a class, 1 between the classes
    means = np.array([differences[classes == kind].mean() if (classes == kind).any() else 0.0 for kind in range(3)])
    parts = np.array_split(np.argsort(distances, kind="stable"), DISTANCES)
    return DifferenceCurve(
        distance=np.array([distances[part].mean() for part in parts]),
        difference=np.array([differences[part].mean() for part in parts]),
        separator=np.array([means[classes[part]].mean() for part in parts]),
    )
