"""Measures of a bias: by hand, against scipy and scikit-learn, planted answers, rows that cannot be measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from conceptrast.base.statistics import auc
from conceptrast.bias.table import (
    CONTENT,
    MEASURES,
    RELIANCE,
    SEEN,
    bias_measures,
    bias_summary,
    spearman,
    training_columns,
)

from ..headlines import headline_metrics_of
from .planted import planted


def test_correlations_and_areas_are_those_of_scipy_and_scikit_learn():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 6, (5, 30)).astype(float)
    second = rng.normal(size=(5, 30))
    labels = rng.integers(0, 2, 30)
    np.testing.assert_allclose(
        spearman(first, second), [stats.spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    )
    np.testing.assert_allclose(auc(first, labels), [roc_auc_score(labels, scores) for scores in first])
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_a_direction_that_carries_the_rotation_has_a_correlation_of_one_within_both_classes():
    measures = bias_measures(planted(knows_rotation=True))
    assert measures["status"] == "ok"
    for name in ("rho_within", "rho_class_1", "rho_class_2", "rho_all", "auc", "accuracy"):
        assert measures[name] == pytest.approx(1.0)
    assert measures["rho_within_low"] == pytest.approx(1.0)


def test_a_direction_that_knows_the_class_alone_correlates_over_all_and_not_within():
    measures = bias_measures(planted(knows_rotation=False, n=400))
    assert measures["rho_all"] > 0.5
    assert measures["rho_within_low"] < 0 < measures["rho_within_high"]
    assert abs(measures["rho_within"]) < 0.15


def test_the_headline_is_the_mean_with_signs():
    table = planted(knows_rotation=True)
    table.loc[table["label"] == 1, "position"] *= -1
    measures = bias_measures(table)
    assert (measures["rho_class_1"], measures["rho_class_2"]) == (pytest.approx(1), pytest.approx(-1))
    assert measures["rho_within"] == pytest.approx(0)


def test_intervals_hold_their_measures_and_follow_the_seed_not_the_order_of_rows():
    table = planted(knows_rotation=False, n=100)
    measures = bias_measures(table)
    shuffled = bias_measures(table.sample(frac=1, random_state=3))
    assert measures == shuffled
    assert measures != bias_measures(table, seed=1)
    for name in MEASURES:
        assert measures[f"{name}_low"] <= measures[name] <= measures[f"{name}_high"]
    assert measures["accuracy_high"] == 1.0
    assert measures["accuracy_low"] == pytest.approx(0.963, abs=1e-3)  # Wilson's for 100 of 100


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda table: table[(table["label"] == 0) | (table["image"] < 4)],
            "a class has 2 validation pictures; 3 are needed",
        ),
        (
            lambda table: table.assign(position=table["label"]),
            "all codes of a class have the same position: the network tells nothing apart",
        ),
    ],
)
def test_what_cannot_be_measured_is_skipped_with_the_reason(change, reason):
    measures = bias_measures(change(planted(knows_rotation=True)))
    assert (measures["status"], measures["reason"]) == ("skipped", reason)
    assert "rho_within" not in measures


def test_how_far_a_training_got_is_told_by_its_last_epochs():
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "phase": ["reconstruction", "adversarial", "classification"],
            "reconstruction": [0.3, 0.2, 0.1],
            "adversarial": [0.0, 0.7, 0.6],
            "classification": [0.5, 0.4, 0.3],
            "critic": [0.0, 0.65, 0.6],
        }
    )
    columns = training_columns(history, planned=5)
    assert (columns["epochs"], columns["epochs_planned"], columns["stopped_early"]) == (3, 5, True)
    assert [columns[f"loss_{name}"] for name in ("reconstruction", "adversarial", "classification", "critic")] == [
        *(0.1, 0.6, 0.3, 0.6)
    ]
    assert columns["epoch_kept"] == 3
    watched = {"phase": ["classification"] * 3, "held_out_accuracy": [0.5, 0.9, 0.8], "held_out_loss": [0.7, 0.5, 0.4]}
    assert training_columns(history.assign(**watched), planned=5, keep="best")["epoch_kept"] == 2
    only_drawn = training_columns(history.iloc[:1], planned=1)
    assert "loss_critic" not in only_drawn
    assert not only_drawn["stopped_early"]


def test_the_summary_is_over_seeds_and_counts_what_was_skipped():
    head = {"bias": "b", "condition": "biased", "network": "resnet"}
    measured = dict.fromkeys((*MEASURES, *RELIANCE, *SEEN, *CONTENT), 0.2) | {"relies": "yes", "shows": "no"}
    nothing = {"status": "skipped", "relies": "not learnt", "shows": "not learnt"}
    rows = [
        {**head, "seed": 0, "status": "ok", **measured},
        {**head, "seed": 1, "status": "ok", **measured, "rho_within": 0.6},
        {**head, "seed": 2, **nothing},
        {**head, "network": "autoencoder", "seed": 0, **nothing},
    ]
    summary = bias_summary(pd.DataFrame(rows))
    assert summary["relies"].tolist() == ["yes", "not learnt"]
    assert summary["relies_seeds"].tolist() == [2, 1]
    assert summary["shows"].tolist() == ["no", "not learnt"]
    assert summary.iloc[1]["n_seeds"] == 0
    assert summary.iloc[1].isna()["rho_within_mean"]
    assert summary.iloc[0][["n_seeds", "n_skipped"]].tolist() == [2, 1]
    assert summary.iloc[0]["rho_within_mean"] == pytest.approx(0.4)
    assert summary.iloc[0]["rho_within_sd"] == pytest.approx(np.sqrt(0.08))
    metrics = headline_metrics_of({"latent_bias_summary": summary})
    assert metrics["b/rho_within_mean_biased_resnet"] == pytest.approx(0.4)
    assert metrics["b/accuracy_mean_biased_resnet"] == pytest.approx(0.2)
