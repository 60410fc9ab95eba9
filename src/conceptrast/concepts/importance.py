r"""How much a component matters for its class: what the class's logit loses without it.

Notation as in :mod:`conceptrast.concepts.component_removal`; ``f_c`` is the logit of the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.statistics import bootstrap_intervals, bootstrap_ratio_intervals
from conceptrast.concepts.component_removal import ClassSuffix, as_much_at_random, with_rest
from conceptrast.concepts.sobol import total_effects

IMPORTANCE_COLUMNS = (
    *("class", "class_name", "recipe", "image", "component", "logit", "logit_drop", "p_drop"),
    *("logit_drop_random", "p_drop_random", "logit_drop_all", "p_drop_all"),
)
"""Columns of the importance of every component in every image."""

UNCHANGED = 1e-6
"""A logit that changes by less than this share of its size, or by less than this, does not change."""


@dataclass(frozen=True)
class ImageImportance:
    """What the class's logit and probability lose in one image.

    Attributes:
        logit: of the image as it is.
        logit_drop: ``[k]``, without each component.
        p_drop: ``[k]``, likewise of the probability.
        logit_drop_random: ``[k]``, without as much activation that chance chooses.
        p_drop_random: ``[k]``.
        logit_drop_all: without all components.
        p_drop_all: likewise of the probability.
        named: whether the rest of the network names the class.
    """

    logit: float
    logit_drop: np.ndarray
    p_drop: np.ndarray
    logit_drop_random: np.ndarray
    p_drop_random: np.ndarray
    logit_drop_all: float
    p_drop_all: float
    named: bool


def image_importance(suffix: ClassSuffix, activations: Tensor, parts: Tensor, drawn: Tensor) -> ImageImportance:
    r"""What the class's logit loses in one image when components are taken out of it.

    .. math:: I_i = f_c(a) - f_c(a_{-i}), \qquad a_{-i} = \min(a, 0) + \max(\max(a, 0) - p_i, 0)

    Args:
        suffix: the rest of the network and the class.
        activations: ``a`` ``[C, h, w]``.
        parts: ``p`` ``[k, C, h, w]``.
        drawn: ``[C, h, w]`` uniform numbers, for the chance row.

    Source: ours, after the occlusion of Zeiler and Fergus 2014, with a concept in place of a patch.

    Example:
        >>> from conceptrast.models.split import SplitModel
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
        >>> suffix = ClassSuffix(SplitModel(network, "0"), target=0)
        >>> activations, parts = torch.tensor([5.0]).view(1, 1, 1), torch.tensor([3.0, 1.0]).view(2, 1, 1, 1)
        >>> importance = image_importance(suffix, activations, parts, drawn=torch.ones(1, 1, 1))
        >>> importance.logit_drop.tolist(), importance.logit_drop_all
        ([3.0, 1.0], 4.0)
    """
    k = len(parts)
    shares = torch.cat([1 - torch.eye(k), torch.zeros(1, k)])
    without = with_rest(activations, parts, shares)
    random = as_much_at_random(activations, without[:k], drawn)
    answers = suffix.answers(torch.cat([activations[None], without, random]))
    logit_drops = answers.logit[0] - answers.logit[1:]
    p_drops = answers.probability[0] - answers.probability[1:]
    return ImageImportance(
        logit=float(answers.logit[0]),
        logit_drop=logit_drops[:k],
        p_drop=p_drops[:k],
        logit_drop_random=logit_drops[k + 1 :],
        p_drop_random=p_drops[k + 1 :],
        logit_drop_all=float(logit_drops[k]),
        p_drop_all=float(p_drops[k]),
        named=int(answers.predicted[0]) == suffix.target,
    )


def image_total_effects(suffix: ClassSuffix, activations: Tensor, parts: Tensor, shares: Tensor) -> np.ndarray | None:
    """Total effects of the components in one image, see :func:`~conceptrast.concepts.sobol.total_effects`.

    Args:
        suffix: the rest of the network and the class.
        activations: ``[C, h, w]``.
        parts: ``[k, C, h, w]``.
        shares: ``[(k + 2) D, k]``, as :func:`~conceptrast.concepts.sobol.designs` gives.

    Returns:
        ``[k]``, or ``None`` if the logit does not change.
    """
    logits = [
        suffix.answers(with_rest(activations, parts, some)).logit for some in shares.split(max(suffix.batch_size, 1))
    ]
    return total_effects(np.concatenate(logits), k=len(parts))


def by_importance(drops: np.ndarray) -> np.ndarray:
    """Numbers of components, the most important first; among equals the lower number.

    Example:
        >>> by_importance(np.array([0.5, 2.0, 0.5])).tolist()
        [1, 0, 2]
    """
    return np.argsort(-np.asarray(drops, np.float64), kind="stable")


def importance_table(rows: pd.DataFrame) -> pd.DataFrame:
    r"""The importance of every component for its class: means over images with 95 % intervals.

    The *share* of a component is its part of what all components together carry:

    .. math:: \frac{\sum_n f_c(a_n) - f_c(a_{n,-i})}{\sum_n f_c(a_n) - f_c(a_{n,-\text{all}})}

    Shares add up to 1 where the rest of the network is linear. Where components can stand in for each other the sum
    is smaller, and where each needs the others it is larger.

    Args:
        rows: :data:`IMPORTANCE_COLUMNS`, and sobol_total where total effects were measured.

    Returns:
        recipe, class, class_name, component, rank (0 for the most important), n_images, logit, logit_drop, low, high,
        logit_drop_random, p_drop, share, share_low, share_high, and sobol_total, sobol_low, sobol_high where they were
        measured. The cells of a share are empty if the logit does not fall when all components are taken out; those of
        an interval also if it may not.

    Example:
        >>> rows = pd.DataFrame({"class": 0, "class_name": "cat", "recipe": "ours", "image": [3, 3],
        ...     "component": [0, 1], "logit": 5.0, "logit_drop": [1.0, 3.0], "p_drop": [0.1, 0.5],
        ...     "logit_drop_random": 0.5, "p_drop_random": 0.1, "logit_drop_all": 4.0, "p_drop_all": 0.9})
        >>> importance_table(rows)[["class_name", "component", "rank", "logit_drop", "share"]]
          class_name  component  rank  logit_drop  share
        0        cat          0     1         1.0   0.25
        1        cat          1     0         3.0   0.75
    """
    columns = ["recipe", "class", "class_name", "component", "rank", "n_images", "logit", "logit_drop", "low", "high"]
    columns += ["logit_drop_random", "p_drop", "share", "share_low", "share_high"]
    with_effects = "sobol_total" in rows.columns
    columns += ["sobol_total", "sobol_low", "sobol_high"] if with_effects else []
    tables = []
    for (_, name, recipe), part in rows.groupby(["class", "class_name", "recipe"], sort=False):
        table = _class_table(part, with_effects).assign(recipe=str(recipe), class_name=str(name))
        table["class"] = int(part["class"].iloc[0])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _class_table(rows: pd.DataFrame, with_effects: bool) -> pd.DataFrame:
    """The rows of one class and recipe."""
    rows = rows.sort_values(["image", "component"], kind="stable")
    values = {name: _by_image(rows, name) for name in ("logit", "logit_drop", "logit_drop_random", "p_drop")}
    drops = values["logit_drop"]
    low, high = bootstrap_intervals(drops)
    k = drops.shape[1]
    rank = np.empty(k, np.int64)
    rank[by_importance(drops.mean(axis=0))] = np.arange(k)
    table = pd.DataFrame({"component": np.arange(k), "rank": rank, "n_images": len(drops)})
    table = table.assign(**{name: array.mean(axis=0) for name, array in values.items()}, low=low, high=high)

    # Shares of what all components carry.
    whole = _by_image(rows, "logit_drop_all")[:, 0]
    known = float(whole.mean()) > UNCHANGED * max(1.0, float(np.abs(values["logit"]).mean()))
    intervals = bootstrap_ratio_intervals(drops, whole) if known else None
    ends: tuple[Sequence[float | None] | np.ndarray, ...] = intervals or ([None] * k, [None] * k)
    shares = drops.mean(axis=0) / whole.mean() if known else [None] * k
    columns = {"share": shares, "share_low": ends[0], "share_high": ends[1]}

    # Total effects, over the images in which the logit changes.
    if with_effects:
        effects = _by_image(rows, "sobol_total")
        effects = effects[np.isfinite(effects).all(axis=1)]
        ends = bootstrap_intervals(effects) if len(effects) else ([None] * k, [None] * k)
        means = effects.mean(axis=0) if len(effects) else [None] * k
        columns |= {"sobol_total": means, "sobol_low": ends[0], "sobol_high": ends[1]}
    return table.assign(**{name: pd.array(list(values), dtype="Float64") for name, values in columns.items()})


def _by_image(ordered: pd.DataFrame, column: str) -> np.ndarray:
    """A column as ``[n, k]``, a row for each image."""
    return ordered[column].to_numpy(np.float64).reshape(-1, ordered["component"].nunique())
