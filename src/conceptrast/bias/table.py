r"""How much of a planted rotation the discriminant direction of a latent space carries.

Notation: ``p`` positions along the direction, ``θ`` rotations in degrees, ``y`` labels 0 (class 1) or 1 (class 2).
:math:`\rho_k` is Spearman's correlation of ``θ`` with ``p`` within class ``k``. It is positive if pictures that are
turned further lie further towards class 2. In the biased data, class 2 is the class that is turned further. The sign
means the same in the control. The headline is the mean of :math:`\rho_1` and :math:`\rho_2`, with their signs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from conceptrast.base.statistics import mean_sd, wilson_interval
from conceptrast.base.streams import Stream, generator

RESAMPLES = 2000
KEY = ["bias", "condition", "network", "seed"]
MEASURES = ("accuracy", "auc", "rho_within", "rho_class_1", "rho_class_2", "rho_all")
LOSSES = ("reconstruction", "adversarial", "classification", "critic")


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation along the last axis of two arrays ``[..., n]``; NaN where one of them is constant.

    Example:
        >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([3.0, 5.0, 4.0])).item()
        0.5
    """
    ranks = [rankdata(values, axis=-1) for values in (first, second)]
    a, b = (values - values.mean(axis=-1, keepdims=True) for values in ranks)
    scale = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(-1) / np.where(scale > 0, scale, np.nan)


def auc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve along the last axis. Scores are ``[..., n]``, labels ``[n]``, 0 or 1. Ties count half.

    Example:
        >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1])).item()
        0.875
    """
    ranks = rankdata(scores, axis=-1)
    positive = labels == 1
    n_second = int(positive.sum())
    n_first = int((~positive).sum())
    return (ranks[..., positive].sum(-1) - n_second * (n_second + 1) / 2) / (n_first * n_second)


def bias_measures(positions: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """Accuracy, AUC and rank correlations of one network with their 95 % intervals.

    Args:
        positions: label (0 or 1), rotation (degrees), position, probability (of class 2) of validation pictures.
        seed: the seed of the resampling.

    Returns:
        status, reason, n_images, then every measure with ``_low`` and ``_high``: The accuracy has Wilson's interval;
        the others have percentiles of 2,000 resamples of the pictures of each class. The status is ``skipped``, with
        the reason, if a class has fewer than 3 pictures or all its positions are the same.
    """
    # Skip what cannot be measured.
    table = positions.sort_values(["label", "image"])
    labels = table["label"].to_numpy()
    n_images = len(table)
    counts = np.bincount(labels, minlength=2)
    if counts.min() < 3:
        return _skipped(n_images, f"a class has {counts.min()} validation pictures; 3 are needed")
    if table.groupby("label")["position"].nunique().min() < 2:
        return _skipped(n_images, "all codes of a class have the same position: the network tells nothing apart")
    # Accuracy.
    values = {name: table[name].to_numpy(float) for name in ("rotation", "position", "probability")}
    correct = int(((values["probability"] > 0.5) == (labels == 1)).sum())
    low, high = wilson_interval(correct, n_images)
    row: dict[str, Any] = {"status": "ok", "reason": "", "n_images": n_images, "accuracy": correct / n_images}
    row |= {"accuracy_low": low, "accuracy_high": high}
    # All other measures, with intervals from resamples.
    draws = _stratified(labels, seed)
    for name, measure in _measures(labels).items():
        row[name] = float(measure(values))
        resampled = measure({key: value[draws] for key, value in values.items()})
        row[f"{name}_low"], row[f"{name}_high"] = (float(end) for end in np.nanquantile(resampled, [0.025, 0.975]))
    return row


def _skipped(n_images: int, reason: str) -> dict[str, Any]:
    return {"status": "skipped", "reason": reason, "n_images": n_images}


def _measures(labels: np.ndarray) -> dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]]:
    """Every measure as a function of arrays ``[..., n]`` whose labels along the last axis are ``labels``."""

    def within(values: Mapping[str, np.ndarray], label: int) -> np.ndarray:
        in_class = labels == label
        return spearman(values["rotation"][..., in_class], values["position"][..., in_class])

    return {
        "auc": lambda values: auc(values["probability"], labels),
        "rho_within": lambda values: (within(values, 0) + within(values, 1)) / 2,
        "rho_class_1": lambda values: within(values, 0),
        "rho_class_2": lambda values: within(values, 1),
        "rho_all": lambda values: spearman(values["rotation"], values["position"]),
    }


def _stratified(labels: np.ndarray, seed: int) -> np.ndarray:
    """Resamples ``[R, n]`` of rows. Each row is replaced by one of its own class, so the labels stay in place."""
    rng = generator(Stream.STRATIFIED_RESAMPLES, seed)
    draws = np.empty((RESAMPLES, len(labels)), dtype=np.int64)
    for label in (0, 1):
        in_class = np.flatnonzero(labels == label)
        draws[:, in_class] = in_class[rng.integers(0, len(in_class), (RESAMPLES, len(in_class)))]
    return draws


def training_columns(history: pd.DataFrame, planned: int) -> dict[str, Any]:
    """How far a training got: epochs, epochs_planned, stopped_early, and the last loss of each kind.

    Args:
        history: the history of :func:`conceptrast.bias.autoencoder_training.train_autoencoder` (a loss is that of the
            last epoch whose phase had it) or of :func:`conceptrast.models.training.train`.
        planned: the largest number of epochs.

    Example:
        >>> training_columns(pd.DataFrame({"epoch": [1, 2], "train_loss": [0.7, 0.5]}), planned=2)
        {'epochs': 2, 'epochs_planned': 2, 'stopped_early': False, 'loss_classification': 0.5}
    """
    row: dict[str, Any] = {"epochs": len(history), "epochs_planned": planned, "stopped_early": len(history) < planned}
    if "train_loss" in history:
        return {**row, "loss_classification": float(history["train_loss"].iloc[-1])}
    after_reconstruction = history[history["phase"] != "reconstruction"]
    for name in LOSSES:
        rows = after_reconstruction if name in ("adversarial", "critic") else history
        if len(rows):
            row[f"loss_{name}"] = float(rows[name].iloc[-1])
    return row


def network_row(
    bias: Mapping[str, Any], key: tuple[str, str, int], positions: pd.DataFrame, history: pd.DataFrame, seed: int
) -> dict[str, Any]:
    """How the network was trained, and how much of the rotation its latent space carries.

    Args:
        bias: the ``name`` of the comparison, and the ``planned`` epochs by network.
        key: condition, network and seed of the network.
        positions: the positions of the validation pictures along the network's direction.
        history: the rows of its training, one for each epoch.
        seed: the seed of the draws of the measures.
    """
    condition, network, network_seed = key
    classes = positions.drop_duplicates("label").set_index("label")["label_name"]
    row = {"bias": bias["name"], "condition": condition, "network": network, "seed": network_seed}
    row |= {"class_1": classes[0], "class_2": classes[1]}
    return row | training_columns(history, bias["planned"][network]) | bias_measures(positions, seed)


def bias_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds: one row per bias, condition and network.

    Args:
        table: bias, condition, network, seed, status and the measures; skipped rows are counted and left out.

    Returns:
        bias, condition, network, n_seeds, n_skipped and for each measure ``_mean`` and ``_sd`` (n - 1; 0 for one seed).
        A network that was skipped for every seed has no row.
    """
    rows = []
    for key, group in table.groupby(KEY[:-1], sort=False):
        measured = group[group["status"] == "ok"]
        if not len(measured):
            continue
        row: dict[str, Any] = dict(zip(KEY[:-1], key, strict=True))
        row |= {"n_seeds": len(measured), "n_skipped": len(group) - len(measured)}
        for name in MEASURES:
            row[f"{name}_mean"], row[f"{name}_sd"] = mean_sd(measured[name].to_numpy())
        rows.append(row)
    columns = [*KEY[:-1], "n_seeds", "n_skipped", *(f"{name}_{of}" for name in MEASURES for of in ("mean", "sd"))]
    return pd.DataFrame(rows, columns=columns)


def bias_columns() -> Sequence[str]:
    """Columns of the table, in their order."""
    measured = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    trained = ["epochs", "epochs_planned", "stopped_early", *(f"loss_{name}" for name in LOSSES)]
    return [*KEY, "class_1", "class_2", "status", "reason", "n_images", *trained, *measured]
