"""Tables of a run: what a paper would print, one fact a row, and the same numbers flat for DVC and MLflow.

No cell is NaN: what cannot be known is left out, or empty where a paper gives no value to compare with.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.registry import implementation
from conceptrast.base.statistics import mean_sd, wilson_interval

THRESHOLDS = (0.1, 0.2, 0.5)
ALL_CLASSES = "all classes"
"""Name of the rows that sum up a study's classes."""

TEST = ["recipe", "selection", "layout", "baseline"]


def component_prediction(classes: pd.DataFrame) -> pd.DataFrame:
    """One row per recipe, selection, layout and baseline: how often the model names the class, over classes.

    Args:
        classes: one row per class and test: class, recipe, selection, layout, baseline, status, probability, match;
            a class that was skipped has one row with ``status`` ``skipped`` and ``baseline`` ``none`` per recipe and
            selection. A chance row may be skipped where the class itself is not; it does not count.

    Returns:
        Columns recipe, selection, layout, baseline, n_classes, n_skipped, matched, match_rate, low, high (95 % Wilson
        interval), probability_mean, probability_sd, above_0.1, above_0.2, above_0.5 (shares of classes). Tests in which
        no class took part have no row.

    Example:
        >>> rows = pd.DataFrame({"class": [0, 1, 2], "recipe": "published", "selection": "all", "layout": "strip",
        ...     "baseline": "none", "status": ["ok", "ok", "skipped"], "probability": [0.9, 0.3, None],
        ...     "match": [True, False, None]})
        >>> component_prediction(rows)[["n_classes", "n_skipped", "match_rate", "probability_mean"]].iloc[0].tolist()
        [2.0, 1.0, 0.5, 0.6]
    """
    tested = classes[classes["status"] == "ok"]
    skipped = _skipped(classes).groupby(["recipe", "selection"])["class"].nunique()
    rows = []
    for key, group in tested.groupby(TEST, sort=False):
        probability = group["probability"].to_numpy(dtype=float)
        matched, n = int(group["match"].astype(bool).sum()), len(group)
        low, high = wilson_interval(matched, n)
        mean, sd = mean_sd(probability)
        row = dict(zip(TEST, key, strict=True))
        row |= {"n_classes": n, "n_skipped": int(skipped.get((row["recipe"], row["selection"]), 0))}
        row |= {"matched": matched, "match_rate": matched / n, "low": low, "high": high}
        row |= {"probability_mean": mean, "probability_sd": sd}
        row |= {f"above_{level}": float((probability > level).mean()) for level in THRESHOLDS}
        rows.append(row)
    columns = [*TEST, "n_classes", "n_skipped", "matched", "match_rate", "low", "high"]
    columns += ["probability_mean", "probability_sd", *(f"above_{level}" for level in THRESHOLDS)]
    return pd.DataFrame(rows, columns=columns)


def beside_published(table: pd.DataFrame, published: Mapping[str, Mapping[str, Mapping[str, float]]]) -> pd.DataFrame:
    """The table of component predictions with a paper's values beside ours, where it gives any.

    Args:
        table: with columns study, recipe, selection, baseline.
        published: values by study and selection: ``match_rate``, ``probability``, ``above_0.5``; they stand in the rows
            of the recipe ``published``.

    Returns:
        The table with columns ``published_<value>``; without them if ``published`` is empty.
    """
    names = ("match_rate", "probability", "above_0.5")
    if not published:
        return table
    values = [
        published.get(str(row.study), {}).get(str(row.selection), {})
        if row.recipe == "published" and row.baseline == "none"
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
    gaps: Sequence[np.ndarray],
) -> dict[str, Any]:
    """What one study rests on: images, accuracy, classes, completeness of attributions, error of factorizations.

    Args:
        predictions: image, label, predicted, probability.
        n_labels: number of classes of the dataset. The accuracy is left out if the model has others.
        classes: per class component predictions.
        components: arrays of the factorization.
        gaps: completeness gaps ``[M]`` of each shard.
    """
    gap = np.concatenate(gaps) if gaps else np.empty(0)
    skipped = _skipped(classes)["class"].nunique()
    row: dict[str, Any] = {"n_images": len(predictions)}
    if len(predictions) and int(predictions["predicted"].max()) < n_labels:
        row["accuracy"] = float((predictions["predicted"] == predictions["label"]).mean())
    row |= {"n_classes": len(components["classes"]), "n_skipped": int(skipped), "n_attributions": len(gap)}
    if len(gap):
        row |= {"completeness_gap_median": float(np.median(gap)), "completeness_gap_max": float(gap.max())}
    for name in sorted(components):
        errors = np.asarray(components[name], dtype=float)
        errors = errors[np.isfinite(errors)]
        if re.fullmatch(r"(reconstruction_error|removed_mass)_\w+", name) and errors.size:
            row[name] = float(errors.mean())
    return row


def model_summary(history: pd.DataFrame) -> dict[str, Any]:
    """Last epoch of a training: epochs, validation_accuracy. Times are in the history: a table is the same every time.

    Example:
        >>> model_summary(pd.DataFrame({"epoch": [1, 2], "validation_accuracy": [0.5, 0.9]}))
        {'epochs': 2, 'validation_accuracy': 0.9}
    """
    return {
        "epochs": len(history),
        "validation_accuracy": float(history["validation_accuracy"].iloc[-1]),
    }


def headline_metrics(tables: Mapping[str, pd.DataFrame], headlines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Headline numbers of all tables by ``study/metric`` (or ``model/metric``).

    Args:
        tables: by name.
        headlines: for each table its name (``table``) and where its numbers are:

            - ``owner``: the column that says what a row is about, e.g. ``study``;
            - ``words``: that tell its rows apart, with columns in braces; one that comes to ``none`` is left out;
            - ``headlines``: the columns of the numbers, ``None`` for all;
            - ``rows``: columns, and the value that a row needs there;
            - ``measure``: ``package.module:function`` that gives metrics of the table in another way.

    Example:
        >>> models = pd.DataFrame({"model": ["net"], "epochs": [2], "validation_accuracy": [0.9]})
        >>> how = {"table": "models", "owner": "model", "words": [], "headlines": None, "rows": {}, "measure": ""}
        >>> headline_metrics({"models": models}, [how])
        {'net/epochs': 2.0, 'net/validation_accuracy': 0.9}
    """
    metrics: dict[str, float] = {}
    for headline in headlines:
        table = tables[headline["table"]]
        if headline["measure"]:
            metrics |= implementation(headline["measure"])(table)
        for row in _records(table):
            if all(row.get(column) == value for column, value in headline["rows"].items()):
                numbers = _numbers(row) if headline["headlines"] is None else headline["headlines"]
                metrics |= _named(row, headline["owner"], numbers, headline["words"])
    return metrics


def _numbers(row: Mapping[str, Any]) -> list[str]:
    return [key for key, value in row.items() if isinstance(value, int | float) and key != "layer"]


def _named(row: Mapping[str, Any], owner: str, numbers: Iterable[str], words: Iterable[str]) -> dict[str, float]:
    """The numbers of a row that are known, by ``study/number_words``."""
    values = defaultdict(lambda: "none", row)
    ending = "".join(f"_{text}" for word in words if (text := word.format_map(values)) != "none")
    return {f"{row[owner]}/{key}{ending}": float(row[key]) for key in numbers if key in row and np.isfinite(row[key])}


def _skipped(classes: pd.DataFrame) -> pd.DataFrame:
    """Rows of classes that could not be tested, without those that only lack a chance row."""
    return classes[(classes["status"] == "skipped") & (classes["baseline"] == "none")]


def _records(table: pd.DataFrame | None) -> Iterable[dict[str, Any]]:
    records = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in records]
