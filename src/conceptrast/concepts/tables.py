"""Tables of the concepts of a run: how often the model recognises combined patches, and what each study rests on.

No cell is NaN. A value that cannot be known is left out; a cell is empty if a paper gives no value to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.statistics import mean_sd, wilson_interval

TEST_KEYS = ["recipe", "selection", "layout", "baseline"]
"""Columns that tell one test of components from another."""

Published = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
"""A paper's values by study, recipe and selection."""

PROBABILITY_LEVELS = (0.1, 0.2, 0.5)
"""For each of these levels, the table gives the share of classes whose probability lies above it."""


def component_prediction_table(classes: pd.DataFrame) -> pd.DataFrame:
    """One row per recipe, selection, layout and baseline: how often the model names the class, over classes.

    Args:
        classes: one row per class and test: class, recipe, selection, layout, baseline, status, probability, match. A
            skipped class has one row with ``status`` ``skipped``, ``baseline`` ``none`` and an empty recipe; one of
            which a recipe cannot be tried has the recipe and the selection. A skipped chance row does not count if the
            class itself is not skipped.

    Returns:
        Columns recipe, selection, layout, baseline, n_classes, n_skipped, matched, match_rate, low, high (95 % Wilson
        interval), probability_mean, probability_sd, above_0.1, above_0.2, above_0.5 (shares of classes). Tests in which
        no class took part have no row.

    Example:
        >>> rows = pd.DataFrame({"class": [0, 1, 2], "recipe": "published", "selection": "all", "layout": "strip",
        ...     "baseline": "none", "status": ["ok", "ok", "skipped"], "probability": [0.9, 0.3, None],
        ...     "match": [True, False, None]})
        >>> table = component_prediction_table(rows)
        >>> table[["n_classes", "n_skipped", "match_rate", "probability_mean"]].iloc[0].tolist()
        [2.0, 1.0, 0.5, 0.6]
    """
    tested = classes[classes["status"] == "ok"]
    skipped = _skipped(classes)
    rows = []
    for key, group in tested.groupby(TEST_KEYS, sort=False):
        probability = group["probability"].to_numpy(dtype=float)
        matched = int(group["match"].astype(bool).sum())
        n = len(group)
        low, high = wilson_interval(matched, n)
        mean, sd = mean_sd(probability)
        # What was tested, on how many classes, how often it matched, and how probable the class was.
        row = dict(zip(TEST_KEYS, key, strict=True))
        row |= {"n_classes": n, "n_skipped": _n_skipped(skipped, *key[:2])}
        row |= {"matched": matched, "match_rate": matched / n, "low": low, "high": high}
        row |= {"probability_mean": mean, "probability_sd": sd}
        row |= {f"above_{level}": float((probability > level).mean()) for level in PROBABILITY_LEVELS}
        rows.append(row)
    columns = [*TEST_KEYS, "n_classes", "n_skipped", "matched", "match_rate", "low", "high"]
    columns += ["probability_mean", "probability_sd", *(f"above_{level}" for level in PROBABILITY_LEVELS)]
    return pd.DataFrame(rows, columns=columns)


def prediction_by_labels(
    classes: pd.DataFrame, predictions: pd.DataFrame, apart: Sequence[int], label_names: Sequence[str]
) -> pd.DataFrame:
    """:func:`component_prediction_table` of the classes of some labels, and of the other classes.

    A class belongs to the label that most of the images have that are predicted as it; ties go to the lower label.

    Args:
        classes: one row per class and test, as for :func:`component_prediction_table`.
        predictions: label, predicted; one row an image.
        apart: the labels that are counted apart.
        label_names: the names of all labels, for the column ``labels``.

    Returns:
        The columns of :func:`component_prediction_table` after ``labels``: the names of the labels apart, joined by
        commas, or ``others``. Classes as which no image is predicted are in neither.

    Example:
        >>> rows = pd.DataFrame({"class": [0, 1, 2], "recipe": "published", "selection": "all", "layout": "strip",
        ...     "baseline": "none", "status": "ok", "probability": [0.9, 0.3, 0.6], "match": [True, False, True]})
        >>> images = pd.DataFrame({"predicted": [0, 0, 1, 1, 1, 2], "label": [0, 0, 2, 2, 0, 1]})
        >>> table = prediction_by_labels(rows, images, apart=[0, 1], label_names=["tench", "church", "parachute"])
        >>> table[["labels", "matched", "n_classes"]].values.tolist()
        [['tench, church', 2, 2], ['others', 0, 1]]
    """
    label_of = predictions.groupby("predicted")["label"].agg(lambda labels: labels.mode().iloc[0])
    of_label = classes["class"].map(label_of)
    parts = {
        ", ".join(label_names[label] for label in apart): of_label.isin(apart),
        "others": of_label.notna() & ~of_label.isin(apart),
    }
    tables = [component_prediction_table(classes[part]).assign(labels=name) for name, part in parts.items()]
    table = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
    return table[["labels", *table.columns.drop("labels")]]


def beside_published(table: pd.DataFrame, published: Published) -> pd.DataFrame:
    """The table of component predictions, with the paper's values beside ours where the paper gives any.

    Args:
        table: the table, with columns study, recipe, selection, baseline.
        published: the paper's values by study, recipe and selection: ``match_rate``, ``probability``, ``above_0.5``.

    Returns:
        The table with columns ``published_<value>``; without them if ``published`` is empty.

    Example:
        >>> row = {"study": "s", "recipe": "published", "selection": "all", "baseline": "none"}
        >>> table = beside_published(pd.DataFrame([row]), {"s": {"published": {"all": {"match_rate": 0.71}}}})
        >>> table["published_match_rate"].tolist()
        [0.71]
    """
    names = ("match_rate", "probability", "above_0.5")
    if not published:
        return table
    values = [
        published.get(str(row.study), {}).get(str(row.recipe), {}).get(str(row.selection), {})
        if row.baseline == "none"
        else {}
        for row in table.itertuples()
    ]
    columns = {f"published_{name}": [value.get(name) for value in values] for name in names}
    return pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)


def study_summary(
    predictions: pd.DataFrame,
    n_labels: int,
    classes: pd.DataFrame,
    components: Mapping[str, np.ndarray],
    attributions: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, Any]:
    """What one study rests on: images, accuracy, classes, attributions, error of factorizations.

    Of the attributions: how complete they are, and the mean share that one multiplier for each channel explains, by
    which ``weighting: auto`` chooses.

    Args:
        predictions: image, label, predicted, probability.
        n_labels: number of classes of the dataset. The accuracy is left out if the model has another number of classes.
        classes: per class component predictions.
        components: the arrays of the factorization.
        attributions: completeness_gap ``[M]`` and linear_share ``[M]`` of each shard.
    """
    gap, share = (
        np.concatenate([np.empty(0), *(arrays[name] for arrays in attributions)])
        for name in ("completeness_gap", "linear_share")
    )
    skipped = _skipped(classes)["class"].nunique()
    # Images and accuracy.
    row: dict[str, Any] = {"n_images": len(predictions)}
    if len(predictions) and int(predictions["predicted"].max()) < n_labels:
        row["accuracy"] = float((predictions["predicted"] == predictions["label"]).mean())
    # Classes and attributions.
    row |= {"n_classes": len(components["classes"]), "n_skipped": int(skipped), "n_attributions": len(gap)}
    if len(gap):
        row |= {"completeness_gap_median": float(np.median(gap)), "completeness_gap_max": float(gap.max())}
        row |= {"linear_share": float(share.mean())}
    # Factorizations.
    for name in sorted(components):
        errors = np.asarray(components[name], dtype=float)
        errors = errors[np.isfinite(errors)]
        if re.fullmatch(r"(reconstruction_error|removed_mass)_\w+", name) and errors.size:
            row[name] = float(errors.mean())
    return row


def _n_skipped(skipped: pd.DataFrame, recipe: Hashable, selection: Hashable) -> int:
    """Number of classes that were skipped altogether, or of which this recipe and selection could not be tried."""
    whole = skipped["recipe"].fillna("") == ""
    tried = (skipped["recipe"] == recipe) & (skipped["selection"] == selection)
    return int(skipped.loc[whole | tried, "class"].nunique())


def _skipped(classes: pd.DataFrame) -> pd.DataFrame:
    """Rows of classes that could not be tested. A class that only lacks a chance row is not among them."""
    return classes[(classes["status"] == "skipped") & (classes["baseline"] == "none")]
