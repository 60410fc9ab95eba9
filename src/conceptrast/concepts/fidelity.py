r"""Fidelity: does the class vanish when its components are taken out, and come back when they are put in?

Notation as in :mod:`conceptrast.concepts.component_removal`. A *curve* is the class's probability after ``0, …, k``
components were taken out (C-deletion) or put in (C-insertion). What belongs to no component is kept throughout, or left
out throughout (as published: then only the parts of components are there).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.statistics import bootstrap_intervals, wilson_interval
from conceptrast.concepts.component_removal import ClassSuffix, with_rest, without_rest

CURVES = ("deletion", "insertion")
RESTS = ("left_out", "kept")
"""What becomes of activations that belong to no component."""

RANDOM_ORDER = "random_order"
CURVE_COLUMNS = ("class", "recipe", "image", "rest", "baseline", "curve", "step", "probability")
"""Columns of the curves of images; ``baseline`` is ``none`` (by importance) or :data:`RANDOM_ORDER`."""

ANSWER_COLUMNS = (
    *("class", "recipe", "image", "baseline", "named_before", "named", "probability"),
    *("hoyer", "gini"),
)
"""Columns of what the rest of the network says of activations that are put together from components."""


@dataclass(frozen=True)
class Curve:
    """One curve of an image: ``probabilities`` ``[k + 1]`` after each step."""

    rest: str
    baseline: str
    curve: str
    probabilities: np.ndarray


def image_curves(
    suffix: ClassSuffix, activations: Tensor, parts: Tensor, order: np.ndarray, random_orders: np.ndarray
) -> Iterator[Curve]:
    """The curves of one image: both ways, with the rest kept and left out, by importance and in random orders.

    Args:
        suffix: the rest of the network and the class.
        activations: ``[C, h, w]``.
        parts: ``[k, C, h, w]``.
        order: ``[k]`` numbers of components, the most important first.
        random_orders: ``[R, k]``; their mean is one curve. Put in, components of a random order are those that are left
            when the same order is taken out from its end, so one set of cases gives both curves.

    Source: C-deletion and C-insertion of Ghorbani et al. 2019 (ACE) and Fel et al. 2023 (arXiv 2306.07304), who leave
    the rest out.

    Example:
        >>> from conceptrast.models.split import SplitModel
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
        >>> suffix = ClassSuffix(SplitModel(network, "0"), target=0)
        >>> activations = torch.tensor([9.0, 0.0]).view(2, 1, 1)
        >>> parts = torch.tensor([[1.0, 0.0], [8.0, 0.0]]).view(2, 2, 1, 1)
        >>> curves = image_curves(suffix, activations, parts, np.array([1, 0]), np.array([[0, 1]]))
        >>> {(curve.baseline, curve.curve): curve.probabilities.round(2).tolist() for curve in curves}[
        ...     "none", "deletion"]
        [1.0, 0.73, 0.5]
    """
    k = len(parts)
    orders = np.concatenate([[order], [order[::-1]], random_orders]).astype(np.int64)
    left = np.array([left_by_order(numbers) for numbers in orders])  # [orders, k + 1, k]
    cases, places = np.unique(left.reshape(-1, k), axis=0, return_inverse=True)
    shares = torch.from_numpy(cases.astype(np.float32))
    for rest in RESTS:
        states = with_rest(activations, parts, shares) if rest == "kept" else without_rest(parts, shares)
        by_order = suffix.answers(states).probability[places.reshape(len(orders), k + 1)]
        yield Curve(rest=rest, baseline="none", curve="deletion", probabilities=by_order[0])
        # Taken out from the least important on, and read backwards: put in from the most important on.
        yield Curve(rest=rest, baseline="none", curve="insertion", probabilities=by_order[1][::-1])
        if len(random_orders):
            mean = by_order[2:].mean(axis=0)
            yield Curve(rest=rest, baseline=RANDOM_ORDER, curve="deletion", probabilities=mean)
            yield Curve(rest=rest, baseline=RANDOM_ORDER, curve="insertion", probabilities=mean[::-1])


def left_by_order(order: np.ndarray) -> np.ndarray:
    """Which components are left after ``0, …, k`` of them were taken out in an order: ``[k + 1, k]``, 1 or 0.

    Example:
        >>> left_by_order(np.array([1, 0])).tolist()
        [[1, 1], [1, 0], [0, 0]]
    """
    k = len(order)
    place = np.empty(k, np.int64)
    place[order] = np.arange(k)
    return (place[None] >= np.arange(k + 1)[:, None]).astype(np.int64)


def area(probabilities: np.ndarray) -> np.ndarray:
    """Area under curves ``[…, k + 1]`` over the share of components, by the trapezoidal rule: ``[…]`` in 0..1.

    Example:
        >>> area(np.array([1.0, 0.5, 0.0])).item()
        0.5
    """
    return np.trapezoid(probabilities, dx=1 / (probabilities.shape[-1] - 1), axis=-1)


def fidelity_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under the curves of a study: means over images with 95 % intervals, which resample images.

    Args:
        curves: :data:`CURVE_COLUMNS`.

    Returns:
        recipe, rest, baseline, n_classes, n_images, deletion, deletion_low, deletion_high, insertion, insertion_low,
        insertion_high; and beside a random order deletion_gain (how much less is left by importance) and insertion_gain
        (how much more is there), with intervals. Small deletion and large insertion are good. In the rows of random
        orders the gain is 0.

    Example:
        >>> rows = [(0, "ours", 3, "kept", baseline, curve, step, value)
        ...     for baseline, values in (("none", (1, 0.2, 0)), ("random_order", (1, 0.6, 0)))
        ...     for curve in CURVES for step, value in enumerate(values if curve == "deletion" else values[::-1])]
        >>> table = fidelity_table(pd.DataFrame(rows, columns=CURVE_COLUMNS))
        >>> table[["baseline", "deletion", "deletion_gain", "insertion_gain"]].round(2).values.tolist()
        [['none', 0.35, 0.2, -0.2], ['random_order', 0.55, 0.0, 0.0]]
    """
    tables = []
    for (recipe, rest), part in curves.groupby(["recipe", "rest"], sort=False):
        tables.append(_areas(part).assign(recipe=str(recipe), rest=str(rest)))
    columns = ["recipe", "rest", "baseline", "n_classes", "n_images"]
    for name in (*CURVES, *(f"{curve}_gain" for curve in CURVES)):
        columns += [name, f"{name}_low", f"{name}_high"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _areas(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of one recipe, with what belongs to no component kept or left out."""
    keys = ["class", "image"]
    areas: dict[tuple[str, str], np.ndarray] = {}
    for (baseline, curve), part in curves.groupby(["baseline", "curve"], sort=False):
        ordered = part.sort_values([*keys, "step"])["probability"].to_numpy(np.float64)
        areas[str(baseline), str(curve)] = area(ordered.reshape(-1, part["step"].nunique()))
    images = curves[keys].drop_duplicates()
    rows = []
    for baseline in dict.fromkeys(curves["baseline"]):
        row: dict[str, object] = {
            "baseline": baseline,
            "n_classes": images["class"].nunique(),
            "n_images": len(images),
        }
        for curve, sign in zip(CURVES, (-1, 1), strict=True):
            values = areas[baseline, curve]
            gain = sign * (values - areas.get((RANDOM_ORDER, curve), values))
            low, high = bootstrap_intervals(np.stack([values, gain], axis=1))
            for place, (name, means) in enumerate(((curve, values), (f"{curve}_gain", gain))):
                row |= {name: means.mean(), f"{name}_low": low[place], f"{name}_high": high[place]}
        rows.append(row)
    return pd.DataFrame(rows)


def reconstruction_table(answers: pd.DataFrame) -> pd.DataFrame:
    """How often the class is still named when activations are put together from components, over a study's images.

    Args:
        answers: :data:`ANSWER_COLUMNS`; the cells of hoyer and gini are empty where all codes are zero.

    Returns:
        recipe, baseline (``none``, or ``other_class``: components of another class), n_classes, n_images,
        accuracy_before (of the activations as they are), accuracy, low, high (95 % Wilson interval), probability (mean
        of the class's), hoyer and gini with bootstrap intervals (of the codes; left out where there are none).

    Example:
        >>> answers = pd.DataFrame({"class": 0, "recipe": "ours", "image": [3, 4], "baseline": "none",
        ...     "named_before": True, "named": [True, False], "probability": [0.9, 0.3], "hoyer": 0.5, "gini": 0.25})
        >>> reconstruction_table(answers)[["accuracy_before", "accuracy", "probability", "hoyer"]].values.tolist()
        [[1.0, 0.5, 0.6, 0.5]]
    """
    rows = []
    for (recipe, baseline), part in answers.groupby(["recipe", "baseline"], sort=False):
        n = len(part)
        named = int(part["named"].sum())
        low, high = wilson_interval(named, n)
        row: dict[str, object] = {"recipe": recipe, "baseline": baseline, "n_classes": part["class"].nunique()}
        row |= {"n_images": n, "accuracy_before": float(part["named_before"].mean())}
        row |= {"accuracy": named / n, "low": low, "high": high, "probability": float(part["probability"].mean())}
        sparseness = part[["hoyer", "gini"]].astype(float).dropna()
        if len(sparseness):
            ends = bootstrap_intervals(sparseness.to_numpy())
            for place, name in enumerate(sparseness.columns):
                row |= {name: float(sparseness[name].mean())}
                row |= {f"{name}_low": ends[0][place], f"{name}_high": ends[1][place]}
        rows.append(row)
    columns = ["recipe", "baseline", "n_classes", "n_images", "accuracy_before", "accuracy", "low", "high"]
    columns += ["probability", *(f"{name}{end}" for name in ("hoyer", "gini") for end in ("", "_low", "_high"))]
    return pd.DataFrame(rows, columns=columns)


def mean_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves of a study, means over its images: recipe, rest, baseline, curve, share (of the components), probability.

    Args:
        curves: :data:`CURVE_COLUMNS`.
    """
    keys: Sequence[str] = ("recipe", "rest", "baseline", "curve", "step")
    means = curves.groupby(list(keys), sort=False)["probability"].mean().reset_index()
    last = means.groupby("recipe")["step"].transform("max")
    return means.assign(share=means["step"] / last).drop(columns="step")
