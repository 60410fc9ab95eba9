"""Intervals and summaries of the tables."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from scipy.stats import rankdata

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.streams import Stream, generator

RESAMPLES = 10_000
"""Resamples of intervals of several columns."""
FEW_UNITS = 100
"""Up to so many units their resamples are kept: 8 MB for 100 of them."""


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    r"""Wilson's score interval of a rate.

    .. math:: \frac{1}{1 + z^2/n} \left( \hat p + \frac{z^2}{2n}
              \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}} \right)

    Args:
        successes: number of trials that succeeded.
        n: number of trials. Without trials, nothing is known and the interval is ``(0, 1)``.
        confidence: share of such intervals that hold the true rate.

    Returns:
        Lower and upper end, within 0 and 1.

    Raises:
        ConceptrastError: ``successes`` is not between 0 and ``n``, or ``confidence`` not between 0 and 1.

    Source: Wilson, JASA 22 (1927).

    Example:
        >>> tuple(round(end, 3) for end in wilson_interval(8, 10))
        (0.49, 0.943)
    """
    if not 0 <= successes <= n:
        raise ConceptrastError(f"{successes} successes in {n} trials: successes must be between 0 and the trials")
    if not 0 < confidence < 1:
        raise ConceptrastError(f"confidence is {confidence}; it must be between 0 and 1")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / n
    centre = rate + z * z / (2 * n)
    spread = z * ((rate * (1 - rate) + z * z / (4 * n)) / n) ** 0.5
    shrink = 1 + z * z / n
    # With no successes the formula gives 0, and with successes only it gives 1, apart from rounding errors.
    low = (centre - spread) / shrink if successes > 0 else 0.0
    high = (centre + spread) / shrink if successes < n else 1.0
    return low, high


def mean_sd(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (of the sample, ``n - 1``; 0 for a single value) of ``values`` ``[n]``.

    Raises:
        ConceptrastError: there are no values.

    Example:
        >>> import numpy as np
        >>> mean_sd(np.array([1.0, 2.0, 3.0]))
        (2.0, 1.0)
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        raise ConceptrastError("the mean of no values is not known")
    return float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else 0.0


def bootstrap_interval(
    values: np.ndarray, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean; for paired differences, it is a paired interval of the change.

    Args:
        values: ``[n]``, one value for each unit that is resampled, e.g. for each image.
        confidence: share of such intervals that hold the true mean.
        resamples: number of resampled means.
        seed: seed of the resampling.

    Returns:
        Lower and upper end. If there is only one value, both ends are that value.

    Raises:
        ConceptrastError: there are no values.

    Source: Efron, Annals of Statistics 7 (1979), percentile method.

    Example:
        >>> import numpy as np
        >>> bootstrap_interval(np.full(5, 0.25))
        (0.25, 0.25)
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        raise ConceptrastError("the mean of no values is not known")
    draw = generator(Stream.RESAMPLED_MEANS, seed)
    means = np.concatenate(
        [values[draw.integers(0, values.size, (size, values.size))].mean(axis=1) for size in _parts(resamples)]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_intervals(values: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap intervals of several means over the same units.

    Args:
        values: ``[n, m]``, ``m`` values for each of ``n`` units; a unit is resampled with all its values.
        confidence: share of such intervals that hold the true mean.

    Returns:
        Lower and upper ends, each ``[m]``.

    Raises:
        ConceptrastError: there are no units.

    Source: as :func:`bootstrap_interval`, with the same 10,000 resamples for all columns.

    Example:
        >>> import numpy as np
        >>> low, high = bootstrap_intervals(np.array([[1.0, 0.5], [3.0, 0.5]]))
        >>> low.tolist(), high.tolist()
        ([1.0, 0.5], [3.0, 0.5])
    """
    values = np.asarray(values, dtype=np.float64)
    return _quantiles(_resampled_means(values), confidence)


def bootstrap_ratio_intervals(
    values: np.ndarray, whole: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray] | None:
    """Percentile bootstrap intervals of ratios of means over the same units.

    Args:
        values: ``[n, m]``, the numerators.
        whole: ``[n]``, the denominator.
        confidence: share of such intervals that hold the true ratio.

    Returns:
        Lower and upper ends, each ``[m]``; ``None`` if the denominator's mean is not above 0 in every resample: then
        the ratio may be anything.

    Raises:
        ConceptrastError: there are no units.

    Example:
        >>> import numpy as np
        >>> low, high = bootstrap_ratio_intervals(np.array([[1.0], [2.0]]), np.array([2.0, 4.0]))
        >>> low.tolist(), high.tolist()
        ([0.5], [0.5])
        >>> bootstrap_ratio_intervals(np.array([[1.0], [2.0]]), np.array([0.0, 4.0]))
    """
    means = _resampled_means(np.column_stack([values, whole]).astype(np.float64))
    if means[:, -1].min() <= 0:
        return None
    return _quantiles(means[:, :-1] / means[:, -1:], confidence)


def auc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve along the last axis. Scores are ``[..., n]``, labels ``[n]``, 0 or 1. Ties count half.

    Example:
        >>> import numpy as np
        >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1])).item()
        0.875
    """
    ranks = rankdata(scores, axis=-1)
    positive = labels == 1
    n_second = int(positive.sum())
    n_first = int((~positive).sum())
    return (ranks[..., positive].sum(-1) - n_second * (n_second + 1) / 2) / (n_first * n_second)


def auc_interval(scores: np.ndarray, labels: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    r"""DeLong's interval of the area under the ROC curve.

    .. math:: \mathrm{AUC} \pm z \sqrt{\frac{S_{10}}{m} + \frac{S_{01}}{n}}

    :math:`S_{10}` and :math:`S_{01}` are the variances of the shares of negative scores below each positive one, and of
    positive scores above each negative one.

    Args:
        scores: ``[N]``.
        labels: ``[N]``, 0 or 1; two of each at least.
        confidence: share of such intervals that hold the true area.

    Returns:
        Lower and upper end, within 0 and 1.

    Raises:
        ConceptrastError: there are fewer than two positive or negative scores.

    Source: DeLong et al., Biometrics 44 (1988).

    Example:
        >>> import numpy as np
        >>> auc_interval(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 1]))
        (1.0, 1.0)
    """
    positive = scores[labels == 1]
    negative = scores[labels == 0]
    if min(len(positive), len(negative)) < 2:
        raise ConceptrastError(f"an interval needs two of each label, got {len(positive)} and {len(negative)}")
    # The rank of each positive score among all, less its rank among the positive ones, counts the negative ones below.
    below = (rankdata(scores)[labels == 1] - rankdata(positive)) / len(negative)
    above = 1 - (rankdata(scores)[labels == 0] - rankdata(negative)) / len(positive)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * (below.var(ddof=1) / len(positive) + above.var(ddof=1) / len(negative)) ** 0.5
    area = float(below.mean())
    return max(0.0, area - float(half)), min(1.0, area + float(half))


def _resampled_means(values: np.ndarray) -> np.ndarray:
    """Means ``[resamples, m]`` of values ``[n, m]``. All columns, and all values of one length, are resampled alike."""
    n = len(values)
    if not n:
        raise ConceptrastError("the mean of no values is not known")
    if n <= FEW_UNITS:
        return _kept_shares(n) @ values
    draw = generator(Stream.RESAMPLED_MEANS, 0)
    return np.concatenate([_shares(draw.integers(0, n, (size, n))) @ values for size in _parts(RESAMPLES)])


@lru_cache(maxsize=8)
def _kept_shares(n: int) -> np.ndarray:
    """The shares of few units: many classes have equally many images."""
    return _shares(generator(Stream.RESAMPLED_MEANS, 0).integers(0, n, (RESAMPLES, n)))


def _shares(drawn: np.ndarray) -> np.ndarray:
    """How often each unit is in each resample, as a share of it ``[resamples, n]``."""
    resamples, n = drawn.shape
    places = drawn + n * np.arange(resamples)[:, None]
    return np.bincount(places.ravel(), minlength=resamples * n).reshape(resamples, n) / n


def _quantiles(means: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def _parts(total: int, size: int = 1000) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]
