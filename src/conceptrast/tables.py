"""Headline numbers of the tables of a run, flat, for DVC and MLflow.

The tables themselves are made in the rooms; each row holds one fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.statistics import ALL_CLASSES, wilson_interval
from conceptrast.models.confusion import right_of

FIRST_SHARE = 0.1
"""Share of hidden places at which the mask test is a headline: those deepest on A's side."""

RECOVERY_HEADLINES = ("own_share", "n_found", "own_for", "texture_for", "texture_against")
"""Headline numbers of the concepts that ACE finds where the true ones are known."""

DFF_HEADLINES = ("agree", "blur", "blur_chance", "beyond_chance", "reconstruction_error")
"""Headline numbers of concepts by deep feature factorization, for each number of concepts."""

KEYS_AND_HEADLINES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
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
"""For each table: the columns that tell its rows apart (``none`` is left out), and its headline numbers."""


def headline_metrics(tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Headline numbers of all tables by ``study/metric`` (or ``model/metric``).

    Args:
        tables: ``component_prediction``, ``studies``, and those of the other parts of a run where there are any.

    Example:
        >>> models = pd.DataFrame({"model": ["net"], "epochs": [2], "validation_accuracy": [0.9]})
        >>> headline_metrics({"models": models})
        {'net/epochs': 2.0, 'net/validation_accuracy': 0.9}
    """
    # Concepts, and the networks and studies that they rest on.
    metrics = _component_predictions(tables.get("component_prediction"))
    for table in ("studies", "concept_recovery", "models"):
        for row in _records(tables.get(table)):
            numbers = [key for key, value in row.items() if isinstance(value, int | float) and key != "layer"]
            metrics |= _named(row, numbers, [row.get(key) for key in ("recipe", "selection")])
    metrics |= _accuracies(tables.get("confusion"))
    # Tables whose rows are told apart by some columns.
    for table, (keys, headlines) in KEYS_AND_HEADLINES.items():
        for row in _records(tables.get(table)):
            metrics |= _named(row, headlines, [word for key in keys if (word := row.get(key)) != "none"])
    # Tables of which some rows alone are headlines.
    for row in _records(tables.get("mask")):
        if row.get("share") == FIRST_SHARE:
            metrics |= _named(row, ("p_from_mean", "p_to_mean"), ["mask", row["baseline"]])
    for row in _records(tables.get("counterfactual")):
        if row["to_name"] == "all":
            ways = [row["direction"], row["stop"]]
            metrics |= _named(row, ("found", "changed", "reached"), ways)
    for row in _records(tables.get("ace_recovery")):
        if row.get("class_name") == ALL_CLASSES:
            words = [row[key] for key in ("segments_as", "baseline") if row[key] != "none"]
            metrics |= _named(row, RECOVERY_HEADLINES, words)
    for row in _records(tables.get("dff_summary")):
        metrics |= _named(row, DFF_HEADLINES, [f"k{row['n_components']}"])
    return metrics


def _component_predictions(table: pd.DataFrame | None) -> dict[str, float]:
    """How often patches are the class, and how probable, by recipe, selection and chance."""
    metrics: dict[str, float] = {}
    for row in _records(table):
        test = "_".join([row["recipe"], row["selection"]] + ([row["baseline"]] if row["baseline"] != "none" else []))
        for name in ("match_rate", "probability_mean"):
            metrics[f"{row['study']}/{name}_{test}"] = float(row[name])
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


def _records(table: pd.DataFrame | None) -> Iterable[dict[str, Any]]:
    records = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in records]
