r"""Does a network rely on a planted rotation, and does its latent space show it: rows of the tables.

Notation: ``p`` positions along the direction, ``θ`` rotations in degrees, ``y`` labels 0 (class 1) or 1 (class 2).
:math:`\rho_k` is Spearman's correlation of ``θ`` with ``p`` within class ``k``. It is positive if pictures that are
turned further lie further towards class 2. In the biased data, class 2 is the class that is turned further. The sign
means the same in the control. Verdicts and their bounds are in :mod:`conceptrast.bias.verdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from conceptrast.base.statistics import auc, mean_sd, wilson_interval
from conceptrast.base.streams import Stream, generator
from conceptrast.bias.autoencoder_phases import best_epoch
from conceptrast.bias.cause import reliance, turned_change, turned_means
from conceptrast.bias.comparison import DIRECTIONS
from conceptrast.bias.verdict import NO_VERDICT, NOT_LEARNT, common_verdict, relies, shows
from conceptrast.bias.visibility import difference_curve, turn_along

RESAMPLES = 2000
NOTHING_APART = "all codes of a class have the same position: the network tells nothing apart"
KEY = ["bias", "condition", "network", "seed"]
CORRELATIONS = ("rho_within", "rho_class_1", "rho_class_2", "rho_all")
MEASURES = ("accuracy", "auc", *CORRELATIONS)
"""Of the validation pictures as the condition turns them, along the difference of means."""
RELIANCE = ("accuracy_biased", "accuracy_unbiased", "accuracy_counter_biased", "reliance", "probability_turned")
"""Of the same pictures at other angles."""
SEEN = ("turn", "decoded_turn", "position_turned")
"""Along a direction: the turn between its ends, that of decoded pictures, and what turning does to positions."""
CONTENT = ("r2_turn", "r2_double_turn")
"""Of the whole latent space."""
VERDICT = ("relies", "shows")
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
        return _skipped(n_images, NOTHING_APART)
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


def training_columns(history: pd.DataFrame, planned: int, keep: str = "last") -> dict[str, Any]:
    """How far a training got: epochs, epochs_planned, epoch_kept, stopped_early, and the last loss of each kind.

    Args:
        history: the history of :func:`conceptrast.bias.autoencoder_training.train_autoencoder` (a loss is that of the
            last epoch whose phase had it) or of :func:`conceptrast.models.training.train`.
        planned: the largest number of epochs.
        keep: whether the weights of the ``last`` epoch are kept, or those of
            :func:`~conceptrast.bias.autoencoder_phases.best_epoch`.

    Example:
        >>> training_columns(pd.DataFrame({"epoch": [1, 2], "train_loss": [0.7, 0.5]}), planned=2)
        {'epochs': 2, 'epochs_planned': 2, 'epoch_kept': 2, 'stopped_early': False, 'loss_classification': 0.5}
    """
    epochs = [{str(column): value for column, value in epoch.items()} for epoch in history.to_dict("records")]
    best = best_epoch(epochs) if keep == "best" else None
    row: dict[str, Any] = {
        "epochs": len(history),
        "epochs_planned": planned,
        "epoch_kept": best or len(history),
        "stopped_early": len(history) < planned,
    }
    if "train_loss" in history:
        return {**row, "loss_classification": float(history["train_loss"].iloc[-1])}
    after_reconstruction = history[history["phase"] != "reconstruction"]
    for name in LOSSES:
        rows = after_reconstruction if name in ("adversarial", "critic") else history
        if len(rows):
            row[f"loss_{name}"] = float(rows[name].iloc[-1])
    return row


@dataclass(frozen=True)
class NetworkResults:
    """What is known of one network.

    Args:
        positions: its validation pictures, as :class:`~conceptrast.bias.latent_space.LatentSpace` has them.
        turned: the same pictures at other angles; unbiased ones with ``reading``, the angle that the regressor reads.
        directions: direction, reach, and the turn of decoded pictures if the network decodes; a row per direction.
        content: how much of the rotation its latent space holds.
        history: the rows of its training, one for each epoch.
        reading_error: the regressor's median error in degrees.
    """

    positions: pd.DataFrame
    turned: pd.DataFrame
    directions: pd.DataFrame
    content: Mapping[str, float]
    history: pd.DataFrame
    reading_error: float


def network_row(
    bias: Mapping[str, Any], key: tuple[str, str, int], results: NetworkResults, seed: int
) -> dict[str, Any]:
    """How the network was trained, whether it relies on the rotation, and whether its latent space shows it.

    Args:
        bias: the ``name`` of the comparison, and by network the ``planned`` epochs and which epoch to ``keep``.
        key: condition, network and seed of the network.
        results: what is known of the network.
        seed: the seed of the draws of the measures.
    """
    row = _names(bias, key) | _class_names(results.positions)
    row |= training_columns(results.history, bias["planned"][key[1]], bias["keep"][key[1]])
    measures = bias_measures(results.positions, seed)
    row |= measures | {"reading_error": results.reading_error}
    if measures["status"] != "ok":
        verdict = NOT_LEARNT if measures["reason"] == NOTHING_APART else NO_VERDICT
        return row | {"relies": verdict, "shows": verdict, "verdict_reason": measures["reason"]}
    # The same pictures at other angles, and the pictures along the published direction.
    row |= reliance(results.turned, seed)
    published = direction_rows(bias, key, results, seed)[0]
    row |= {name: published[name] for name in (*_with_ends(SEEN), "turn_true") if name in published}
    row |= dict(results.content)
    # The verdicts.
    row["relies"], why_open = relies(row["reliance_low"], row["reliance_high"], row["accuracy_low"])
    row["shows"], why_unseen = shows(row["turn_low"], row["turn_high"], row["relies"], results.reading_error)
    row["verdict_reason"] = "; ".join(filter(None, (why_open, why_unseen)))
    return row


def direction_rows(
    bias: Mapping[str, Any], key: tuple[str, str, int], results: NetworkResults, seed: int
) -> list[dict[str, Any]]:
    """What can be seen along each direction of a network's latent space; nothing where it tells nothing apart.

    Args:
        bias: the ``name`` of the comparison.
        key: condition, network and seed of the network.
        results: what is known of the network.
        seed: the seed of the draws.

    Returns:
        For each direction: its name, reach, ``turn`` (of the pictures at its ends, by the regressor's readings) and
        ``turn_true`` (by their true angles), decoded_turn, position_turned (in units of the reach), excess (of the
        published curve over a perfect separator's) and the rank correlations, with intervals.
    """
    unbiased = results.turned[results.turned["turned"] == "unbiased"]
    rows: list[dict[str, Any]] = []
    for direction in results.directions.to_dict("records"):
        column = "position" if direction["direction"] == DIRECTIONS[0] else f"position_{direction['direction']}"
        at_own_angles = results.positions.assign(position=results.positions[column])
        correlations = bias_measures(at_own_angles, seed)
        if correlations["status"] != "ok":
            continue
        positions = unbiased[column].to_numpy()
        readings, true = (turn_along(positions, unbiased[name].to_numpy(), seed) for name in ("reading", "rotation"))
        moved = turned_change(results.turned, column, scale=direction["reach"], seed=seed)
        curve = difference_curve(*(at_own_angles[name].to_numpy() for name in ("position", "rotation", "label")))
        rows.append(
            _names(bias, key)
            | {str(name): value for name, value in direction.items() if name not in KEY}
            | readings
            | {"turn_true": true["turn"], "excess": curve.excess}
            | {name.replace(column, "position", 1): value for name, value in moved.items()}
            | {name: correlations[name] for name in _with_ends(CORRELATIONS)}
        )
    return rows


def curve_rows(bias: Mapping[str, Any], key: tuple[str, str, int], results: NetworkResults) -> pd.DataFrame:
    """What a network says of every class's pictures at every angle.

    Args:
        bias: the ``name`` of the comparison.
        key: condition, network and seed of the network.
        results: what is known of the network.

    Returns:
        bias, condition, network and seed, and the columns of :func:`~conceptrast.bias.cause.turned_means`.
    """
    means = turned_means(results.turned)
    return means.assign(**_names(bias, key))[[*KEY, *means.columns]]


def _names(bias: Mapping[str, Any], key: tuple[str, str, int]) -> dict[str, Any]:
    return dict(zip(KEY, (bias["name"], *key), strict=True))


def _class_names(positions: pd.DataFrame) -> dict[str, str]:
    classes = positions.drop_duplicates("label").set_index("label")["label_name"]
    return {"class_1": classes[0], "class_2": classes[1]}


def bias_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts, and mean and standard deviation over seeds: one row per bias, condition and network.

    Args:
        table: bias, condition, network, seed, status, the verdicts and the measures. Measures of skipped rows are left
            out; the rows are counted.

    Returns:
        bias, condition, network, n_seeds, n_skipped; relies and shows, the verdict that most seeds have, each with
        ``_seeds``, how many have it; for each measure ``_mean`` and ``_sd`` (n - 1; 0 for one seed).
    """
    measures = [*MEASURES, *RELIANCE, *SEEN, *CONTENT]
    rows = []
    for key, group in table.groupby(KEY[:-1], sort=False):
        measured = group[group["status"] == "ok"]
        row: dict[str, Any] = dict(zip(KEY[:-1], key, strict=True))
        row |= {"n_seeds": len(measured), "n_skipped": len(group) - len(measured)}
        for name in VERDICT:
            row[name], row[f"{name}_seeds"] = common_verdict(group[name].tolist())
        for name in measures if len(measured) else []:
            row[f"{name}_mean"], row[f"{name}_sd"] = mean_sd(measured[name].to_numpy())
        rows.append(row)
    verdicts = [f"{name}{end}" for name in VERDICT for end in ("", "_seeds")]
    means = [f"{name}_{of}" for name in measures for of in ("mean", "sd")]
    return pd.DataFrame(rows, columns=[*KEY[:-1], "n_seeds", "n_skipped", *verdicts, *means])


def bias_columns() -> Sequence[str]:
    """Columns of the table of networks, in their order."""
    trained = ["epochs", "epochs_planned", "epoch_kept", "stopped_early", *(f"loss_{name}" for name in LOSSES)]
    content = [f"{name}{end}" for name in CONTENT for end in ("", "_chance_low", "_chance_high")]
    return [
        *(*KEY, "class_1", "class_2", "status", "reason", "n_images", *VERDICT, "verdict_reason"),
        *(*trained, *_with_ends((*MEASURES, *RELIANCE, *SEEN)), "turn_true", "reading_error", *content),
    ]


def direction_columns() -> Sequence[str]:
    """Columns of the table of directions, in their order."""
    return [*KEY, "direction", "reach", *_with_ends(SEEN), "turn_true", "excess", *_with_ends(CORRELATIONS)]


def _with_ends(names: Iterable[str]) -> list[str]:
    """Names of measures, each followed by those of the ends of its interval."""
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
