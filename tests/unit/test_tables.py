"""Tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.tables import beside_published, component_prediction, study_summary

from .headlines import headline_metrics_of


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
    table = component_prediction(classes()).set_index("baseline")
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
    assert component_prediction(table)["n_skipped"].tolist() == [1, 1]
    predictions = pd.DataFrame({"label": [0], "predicted": [0]})
    assert study_summary(predictions, 1, table, {"classes": np.arange(3)}, [])["n_skipped"] == 1


def test_a_study_without_tested_classes_has_no_rows() -> None:
    assert component_prediction(classes().query("status == 'skipped'")).empty


def test_published_values_stand_beside_the_published_recipe_only() -> None:
    table = component_prediction(classes()).assign(study="s")
    both = pd.concat([table, table.assign(recipe="recommended")], ignore_index=True)
    found = beside_published(both, {"s": {"all": {"match_rate": 0.5}}})
    known = found[found["published_match_rate"].notna()]
    assert known[["recipe", "baseline", "published_match_rate"]].to_numpy().tolist() == [["published", "none", 0.5]]
    assert "published_match_rate" not in beside_published(both, {})


def test_study_summary_leaves_out_an_accuracy_that_means_nothing() -> None:
    predictions = pd.DataFrame({"label": [0, 1], "predicted": [0, 0]})
    arrays = {"classes": np.array([0]), "reconstruction_error_position_k2": np.array([0.5])}
    row = study_summary(predictions, 2, classes(), arrays, [np.array([0.1]), np.array([0.3])])
    assert (row["accuracy"], row["n_classes"], row["n_skipped"]) == (0.5, 1, 1)
    assert (row["completeness_gap_median"], row["completeness_gap_max"]) == pytest.approx((0.2, 0.3))
    assert row["reconstruction_error_position_k2"] == 0.5
    many = predictions.assign(predicted=[0, 700])
    assert "accuracy" not in study_summary(many, 2, classes(), arrays, [])


def test_metrics_are_flat_and_finite() -> None:
    tables = {"component_prediction": component_prediction(classes()).assign(study="s")}
    metrics = headline_metrics_of(tables)
    assert metrics["s/match_rate_published_all"] == pytest.approx(2 / 3)
    assert metrics["s/probability_mean_published_all_random_patches"] == pytest.approx(0.05)
    assert all(np.isfinite(list(metrics.values())))


def test_headlines_of_contrasts_name_solver_chance_and_classes() -> None:
    shift = {
        "study": "s", "hyperplane": "zero", "baseline": ["none", "random_direction"], "n_pairs": 4,
        "swap_rate_mean": [0.9, 0.1], "after_mean": [0.8, None], "status": "ok", "reason": "",
    }  # fmt: skip
    mask = {"study": "s", "baseline": "none", "share": [0.0, 0.1], "p_from_mean": [0.9, 0.5]}
    insertion = {"insertion": "i", "condition": ["crop"], "first": 7, "second": 8, "change_first": 0.2}
    tables = {"shift": shift, "mask": mask, "insertion": insertion}
    assert headline_metrics_of({name: pd.DataFrame(table) for name, table in tables.items()}) == {
        "s/swap_rate_mean_zero": 0.9, "s/after_mean_zero": 0.8, "s/swap_rate_mean_zero_random_direction": 0.1,
        "s/p_from_mean_mask_none": 0.5, "i/change_first_crop_7_8": 0.2,
    }  # fmt: skip


def test_headlines_of_concepts_are_those_of_all_classes() -> None:
    rows = pd.DataFrame(
        {
            "study": "s", "class_name": ["3+7", "all classes", "all classes"], "segments_as": "in_place",
            "baseline": ["none", "none", "random_segments"], "own_share": [1.0, 0.75, None], "n_found": [2, 5, 0],
        }
    )  # fmt: skip
    assert headline_metrics_of({"ace_recovery": rows}) == {
        "s/own_share_in_place": 0.75, "s/n_found_in_place": 5, "s/n_found_in_place_random_segments": 0,
    }  # fmt: skip


def test_tables_that_were_skipped_have_no_headlines() -> None:
    skipped = pd.DataFrame({"study": ["s"], "status": "skipped", "reason": "why"})
    tables = ("shift", "mask", "contrast_recovery", "hyperplanes", "ace_recovery")
    assert headline_metrics_of(dict.fromkeys(tables, skipped)) == {}


def test_tests_of_maps_are_headlines_by_view_kind_method_and_chance() -> None:
    rows = {
        "view": "photos",
        "target_kind": "predicted",
        "method": ["grad_cam", "none"],
        "baseline": ["none", "centre"],
    }
    faithful = pd.DataFrame({**rows, "road": [0.4, 0.1], "insertion": 0.5, "deletion": 0.2, "n_images": 4})
    truth = pd.DataFrame({**rows, "target_kind": "difference", "more": [0.9, 0.5], "hit": [0.8, 0.1]})
    metrics = headline_metrics_of({"saliency_faithfulness": faithful, "saliency_truth": truth})
    assert metrics["photos/road_predicted_grad_cam"] == 0.4
    assert metrics["photos/road_predicted_centre"] == 0.1
    assert metrics["photos/hit_difference_grad_cam"] == 0.8
    assert len(metrics) == 2 * 3 + 2 * 2
