r"""The planted cause, measured: what becomes of a network's answer when the same pictures are turned.

Notation: :math:`p_i(\theta)` the probability of class 2, or the position in units of the classes' distance from the
middle, of picture :math:`i` turned by :math:`\theta`.

.. math:: \Delta = \frac{1}{n} \sum_i \Big( \operatorname*{mean}_{\theta > 90°} p_i(\theta)
          - \operatorname*{mean}_{\theta < 90°} p_i(\theta) \Big)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.statistics import bootstrap_interval, wilson_interval
from conceptrast.base.streams import Stream, generator
from conceptrast.data.rotated_pair import ANGLES

RESAMPLES = 2000
BOUNDARY = 90.0
"""Degrees: below it lies the range of class 1 in the biased pictures, above it that of class 2."""


@dataclass(frozen=True)
class Curve:
    """Means over the pictures of a class, by the angle by which all of them are turned.

    Args:
        angles: ``[A]``, degrees.
        mean: ``[A]``.
        low, high: ``[A]``, 95 % bootstrap interval of the mean: pictures are resampled.
    """

    angles: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def turning_curve(turned: pd.DataFrame, column: str, label: int, seed: int = 0) -> Curve:
    """The mean of ``column`` over the pictures of a class as a function of the angle.

    Args:
        turned: rows of one network as :class:`~conceptrast.bias.latent_space.LatentSpace` has them.
        column: ``probability`` or ``position``.
        label: the class, 0 or 1.
        seed: the seed of the resampling.
    """
    steps = _by_angle(turned[turned["label"] == label], column)
    n = len(steps)
    draws = generator(Stream.RESAMPLED_CURVES, seed).integers(0, n, (RESAMPLES, n))
    counts = np.apply_along_axis(np.bincount, 1, draws, minlength=n) / n
    low, high = np.quantile(counts @ steps.to_numpy(), [0.025, 0.975], axis=0)
    return Curve(angles=steps.columns.to_numpy(float), mean=steps.mean(axis=0).to_numpy(), low=low, high=high)


def turned_means(turned: pd.DataFrame) -> pd.DataFrame:
    """The mean probability of class 2 over the pictures of each class, by the angle by which all of them are turned.

    Args:
        turned: rows of one network as :class:`~conceptrast.bias.latent_space.LatentSpace` has them.

    Returns:
        class_name, rotation (degrees), n_images, probability.

    Example:
        >>> rows = {"turned": "steps", "label_name": "4", "image": [0, 1, 0, 1], "rotation": [0, 0, 90, 90]}
        >>> turned_means(pd.DataFrame({**rows, "probability": [0.0, 0.2, 0.8, 1.0]})).round(2).values.tolist()
        [['4', 0, 2, 0.1], ['4', 90, 2, 0.9]]
    """
    steps = turned[turned["turned"] == "steps"].rename(columns={"label_name": "class_name"})
    groups = steps.groupby(["class_name", "rotation"], observed=True)
    return groups.agg(n_images=("image", "size"), probability=("probability", "mean")).reset_index()


def reliance(turned: pd.DataFrame, seed: int = 0) -> dict[str, float]:
    r"""Accuracy on the same pictures at biased, unbiased and counter-biased angles, and what the turn does to ``p``.

    Args:
        turned: rows of one network.
        seed: the seed of the resampling.

    Returns:
        accuracy_biased, accuracy_unbiased, accuracy_counter_biased with 95 % Wilson intervals; reliance, the accuracy
        at biased angles minus that at counter-biased ones, and probability_turned, :math:`\Delta` of the probability,
        with 95 % bootstrap intervals over pictures. An interval's columns end in ``_low`` and ``_high``.

    Example:
        >>> rows = [(i, i % 2, t, r, float(r > 90)) for i in range(4) for t, r in
        ...         [("biased", 45 + 90 * (i % 2)), ("unbiased", 45), ("counter_biased", 135 - 90 * (i % 2)),
        ...          ("steps", 0), ("steps", 180)]]
        >>> turned = pd.DataFrame(rows, columns=["image", "label", "turned", "rotation", "probability"])
        >>> measures = reliance(turned)
        >>> [measures[name] for name in ("accuracy_biased", "accuracy_unbiased", "reliance", "probability_turned")]
        [1.0, 0.5, 1.0, 1.0]
    """
    measures = {}
    right = (turned["probability"] > 0.5) == (turned["label"] == 1)
    correct = turned.assign(right=right).pivot_table("right", "image", "turned", observed=True)
    for name in ANGLES:
        hits = int(correct[name].sum())
        measures[f"accuracy_{name}"] = hits / len(correct)
        measures |= _ends(f"accuracy_{name}", wilson_interval(hits, len(correct)))
    lost = (correct["biased"] - correct["counter_biased"]).to_numpy(float)
    measures["reliance"] = float(lost.mean())
    measures |= _ends("reliance", bootstrap_interval(lost, seed=seed))
    return measures | turned_change(turned, "probability", seed=seed)


def turned_change(turned: pd.DataFrame, column: str, scale: float = 1.0, seed: int = 0) -> dict[str, Any]:
    r""":math:`\Delta` of ``column`` in units of ``scale``: ``<column>_turned``, with ``_low`` and ``_high``.

    Args:
        turned: rows of one network.
        column: ``probability``, or a column of positions.
        scale: what counts as 1.
        seed: the seed of the resampling.
    """
    steps = _by_angle(turned, column)
    angles = steps.columns.to_numpy(float)
    changes = (steps.loc[:, angles > BOUNDARY].mean(axis=1) - steps.loc[:, angles < BOUNDARY].mean(axis=1)) / scale
    name = f"{column}_turned"
    return {name: float(changes.mean())} | _ends(name, bootstrap_interval(changes.to_numpy(), seed=seed))


def _by_angle(turned: pd.DataFrame, column: str) -> pd.DataFrame:
    """Values of ``column``: a row for each picture, a column for each step of the angle."""
    return turned[turned["turned"] == "steps"].pivot_table(column, "image", "rotation", observed=True)


def _ends(name: str, interval: tuple[float, float]) -> dict[str, float]:
    return dict(zip((f"{name}_low", f"{name}_high"), interval, strict=True))
