"""Tables of a run: what a paper would print, one fact a row, and the same numbers flat for DVC and MLflow.

No cell is NaN: what cannot be known is left out, or empty where a paper gives no value to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.statistics import ALL_CLASSES, mean_sd, wilson_interval
from conceptrast.models.confusion import right_of

THRESHOLDS = (0.1, 0.2, 0.5)
FIRST_SHARE = 0.1
"""Share of hidden places at which the mask test is a headline: those deepest on A's side."""

RECOVERED = ("own_share", "n_found", "own_for", "texture_for", "texture_against")
"""Headline numbers of the concepts that ACE finds where the true ones are known."""

FACTORIZED = ("agree", "blur", "blur_chance", "beyond_chance", "reconstruction_error")
"""Headline numbers of concepts by deep feature factorization, for each number of concepts."""

CONTRASTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hyperplanes": (("hyperplane",), ("train_accuracy_mean", "heldout_accuracy_mean", "normal_length_mean")),
    "shift": (("hyperplane", "baseline"), ("before_mean", "after_mean", "factor_of_means_mean", "swap_rate_mean")),
    "contrast_recovery": (("baseline",), ("mass_share", "component_share")),
    "latent_bias_summary": (
        ("condition", "network"),
        ("rho_within_mean", "rho_within_sd", "rho_all_mean", "accuracy_mean", "auc_mean"),
    ),
    "insertion": (("condition", "first", "second"), ("p_first", "change_first", "change_second")),
    "saliency_faithfulness": (("target_kind", "method", "baseline"), ("road", "insertion", "deletion")),
    "saliency_truth": (("target_kind", "method", "baseline"), ("more", "hit")),
    "decoder": (("baseline",), ("psnr_mean", "ssim_mean", "same_class")),
}
"""Of every table of contrasts the words that tell its rows apart (``none`` is left out) and its headline numbers."""

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


def headline_metrics(tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Headline numbers of all tables by ``study/metric`` (or ``model/metric``).

    Args:
        tables: ``component_prediction``, ``studies``, and those of the other parts of a run where there are any.

    Example:
        >>> models = pd.DataFrame({"model": ["net"], "epochs": [2], "validation_accuracy": [0.9]})
        >>> headline_metrics({"models": models})
        {'net/epochs': 2.0, 'net/validation_accuracy': 0.9}
    """
    metrics: dict[str, float] = {}
    for row in _records(tables.get("component_prediction")):
        test = "_".join([row["recipe"], row["selection"]] + ([row["baseline"]] if row["baseline"] != "none" else []))
        for name in ("match_rate", "probability_mean"):
            metrics[f"{row['study']}/{name}_{test}"] = float(row[name])
    for table in ("studies", "concept_recovery", "models"):
        for row in _records(tables.get(table)):
            numbers = [key for key, value in row.items() if isinstance(value, int | float) and key != "layer"]
            metrics |= _named(row, numbers, [row.get(key) for key in ("recipe", "selection")])
    metrics |= _accuracies(tables.get("confusion"))
    for table, (words, headlines) in CONTRASTS.items():
        for row in _records(tables.get(table)):
            metrics |= _named(row, headlines, [word for key in words if (word := row.get(key)) != "none"])
    for row in _records(tables.get("mask")):
        if row.get("share") == FIRST_SHARE:
            metrics |= _named(row, ("p_from_mean", "p_to_mean"), ["mask", row["baseline"]])
    for row in _records(tables.get("counterfactual")):
        if row["to_name"] == "all":
            ways = [row["direction"], row["stop"]]
            metrics |= _named(row, ("found", "changed", "reached"), ways)
    for row in _records(tables.get("ace_recovery")):
        if row.get("class_name") == ALL_CLASSES:
            metrics |= _named(row, RECOVERED, [row[key] for key in ("segments_as", "baseline") if row[key] != "none"])
    for row in _records(tables.get("dff_summary")):
        metrics |= _named(row, FACTORIZED, [f"k{row['n_components']}"])
    return metrics


def _accuracies(confusion: pd.DataFrame | None) -> dict[str, float]:
    """Accuracy of each trained model with its 95 % Wilson interval, from the table of what it takes for what."""
    metrics: dict[str, float] = {}
    for model, rows in () if confusion is None else confusion.groupby("model", sort=False):
        right, n = right_of(rows)
        low, high = wilson_interval(right, n)
        metrics |= {f"{model}/accuracy": right / n, f"{model}/accuracy_low": low, f"{model}/accuracy_high": high}
    return metrics


def _named(row: Mapping[str, Any], numbers: Iterable[str], words: Iterable[Any]) -> dict[str, float]:
    """The numbers of a row that are known, by ``study/number_words``."""
    # A view before an insertion test: insertion is a test of a view's maps, too.
    owner = next(row[key] for key in ("study", "model", "view", "insertion", "bias", "dff") if key in row)
    ending = "".join(f"_{word}" for word in words if word is not None)
    return {f"{owner}/{key}{ending}": float(row[key]) for key in numbers if key in row and np.isfinite(row[key])}


def _skipped(classes: pd.DataFrame) -> pd.DataFrame:
    """Rows of classes that could not be tested, without those that only lack a chance row."""
    return classes[(classes["status"] == "skipped") & (classes["baseline"] == "none")]


def _records(table: pd.DataFrame | None) -> Iterable[dict[str, Any]]:
    records = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in records]
