"""Tables of concepts worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.concepts.tables import (
    beside_published,
    component_prediction_table,
    prediction_by_labels,
    study_summary,
)


def classes() -> pd.DataFrame:
    ok = {"recipe": "published", "selection": "all", "layout": "strip", "status": "ok"}
    rows = [
        {**ok, "class": 0, "baseline": "none", "probability": 0.9, "match": True},
        {**ok, "class": 1, "baseline": "none", "probability": 0.3, "match": False},
        {**ok, "class": 2, "baseline": "none", "probability": 0.15, "match": True},
        {**ok, "class": 0, "baseline": "random_patches", "probability": 0.05, "match": False},
        {**ok, "class": 3, "baseline": "none", "status": "skipped", "probability": None, "match": None},
    ]
    return pd.DataFrame(rows)


def test_component_prediction_counts_classes() -> None:
    table = component_prediction_table(classes()).set_index("baseline")
    row = table.loc["none"]
    assert (row["n_classes"], row["n_skipped"], row["matched"]) == (3, 1, 2)
    assert row["match_rate"] == pytest.approx(2 / 3)
    assert (row["probability_mean"], row["probability_sd"]) == pytest.approx((0.45, np.std([0.9, 0.3, 0.15], ddof=1)))
    assert (row["above_0.1"], row["above_0.2"], row["above_0.5"]) == pytest.approx((1, 2 / 3, 1 / 3))
    assert row["low"] < 2 / 3 < row["high"]
    assert table.loc["random_patches", "probability_sd"] == 0
    assert not table.isna().to_numpy().any()


def test_a_class_that_lacks_a_chance_row_only_is_not_skipped() -> None:
    lacking = {"class": 0, "baseline": "other_class", "status": "skipped", "probability": None, "match": None}
    table = pd.concat([classes(), pd.DataFrame([{**classes().iloc[0], **lacking}])], ignore_index=True)
    assert component_prediction_table(table)["n_skipped"].tolist() == [1, 1]
    predictions = pd.DataFrame({"label": [0], "predicted": [0]})
    row = study_summary(predictions, 1, classes=table, components={"classes": np.arange(3)}, attributions=[])
    assert row["n_skipped"] == 1


def test_a_study_without_tested_classes_has_no_rows() -> None:
    assert component_prediction_table(classes().query("status == 'skipped'")).empty


def test_classes_of_some_labels_are_counted_apart() -> None:
    # Most images of class 0 have label 5; class 1 has a tie, which the lower label wins; nothing is predicted as 2.
    predictions = pd.DataFrame({"predicted": [0, 0, 0, 1, 1], "label": [5, 5, 3, 3, 5]})
    names = [str(label) for label in range(6)]
    table = prediction_by_labels(classes(), predictions, apart=[5], label_names=names)
    table = table[table["baseline"] == "none"].set_index("labels")
    assert table["n_classes"].to_dict() == {"5": 1, "others": 1}
    assert table["matched"].to_dict() == {"5": 1, "others": 0}
    whole = prediction_by_labels(classes(), predictions, apart=[3, 5], label_names=names)
    assert set(whole["labels"]) == {"3, 5"}
    alone = component_prediction_table(classes().query("`class` != 2 and status == 'ok'"))
    pd.testing.assert_frame_equal(whole.drop(columns="labels"), alone)


def test_published_values_stand_beside_the_recipe_that_they_are_of() -> None:
    table = component_prediction_table(classes()).assign(study="s")
    both = pd.concat([table, table.assign(recipe="recommended")], ignore_index=True)
    table = beside_published(both, {"s": {"published": {"all": {"match_rate": 0.5}}}})
    known = table[table["published_match_rate"].notna()]
    assert known[["recipe", "baseline", "published_match_rate"]].to_numpy().tolist() == [["published", "none", 0.5]]
    assert "published_match_rate" not in beside_published(both, {})


def test_study_summary_leaves_out_an_accuracy_that_means_nothing() -> None:
    predictions = pd.DataFrame({"label": [0, 1], "predicted": [0, 0]})
    arrays = {"classes": np.array([0]), "reconstruction_error_position_k2": np.array([0.5])}
    shards = [
        {"completeness_gap": np.array([0.1]), "linear_share": np.array([1.0])},
        {"completeness_gap": np.array([0.3]), "linear_share": np.array([0.5])},
    ]
    row = study_summary(predictions, 2, classes=classes(), components=arrays, attributions=shards)
    assert (row["accuracy"], row["n_classes"], row["n_skipped"]) == (0.5, 1, 1)
    assert (row["completeness_gap_median"], row["completeness_gap_max"]) == pytest.approx((0.2, 0.3))
    assert row["linear_share"] == 0.75
    assert row["reconstruction_error_position_k2"] == 0.5
    many = predictions.assign(predicted=[0, 700])
    assert "accuracy" not in study_summary(many, 2, classes=classes(), components=arrays, attributions=[])
