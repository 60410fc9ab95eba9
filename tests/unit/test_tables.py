"""Headline numbers of tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from .headlines import headline_metrics_of


def test_metrics_are_flat_and_finite() -> None:
    row = {"study": "s", "recipe": "published", "selection": "all"}
    table = pd.DataFrame(
        [
            {**row, "baseline": "none", "match_rate": 2 / 3, "probability_mean": 0.45},
            {**row, "baseline": "random_patches", "match_rate": 0.0, "probability_mean": 0.05},
        ]
    )
    metrics = headline_metrics_of({"component_prediction": table})
    assert metrics["s/match_rate_published_all"] == pytest.approx(2 / 3)
    assert metrics["s/probability_mean_published_all_random_patches"] == pytest.approx(0.05)
    assert all(np.isfinite(list(metrics.values())))


def test_headlines_of_contrasts_name_solver_chance_and_classes() -> None:
    shift = {
        "study": "s",
        "hyperplane": "zero",
        "baseline": ["none", "random_direction"],
        "n_pairs": 4,
        "swap_rate_mean": [0.9, 0.1],
        "after_mean": [0.8, None],
        "status": "ok",
        "reason": "",
    }
    mask = {"study": "s", "baseline": "none", "share": [0.0, 0.1], "p_from_mean": [0.9, 0.5]}
    insertion = {"insertion": "i", "condition": ["crop"], "first": 7, "second": 8, "change_first": 0.2}
    tables = {"shift": shift, "mask": mask, "insertion": insertion}
    assert headline_metrics_of({name: pd.DataFrame(table) for name, table in tables.items()}) == {
        "s/swap_rate_mean_zero": 0.9,
        "s/after_mean_zero": 0.8,
        "s/swap_rate_mean_zero_random_direction": 0.1,
        "s/p_from_mean_mask_none": 0.5,
        "i/change_first_crop_7_8": 0.2,
    }


def test_headlines_of_concepts_are_those_of_all_classes() -> None:
    rows = pd.DataFrame(
        {
            "study": "s",
            "class_name": ["3+7", "all classes", "all classes"],
            "segments_as": "in_place",
            "baseline": ["none", "none", "random_segments"],
            "own_share": [1.0, 0.75, None],
            "n_found": [2, 5, 0],
        }
    )
    assert headline_metrics_of({"ace_recovery": rows}) == {
        "s/own_share_in_place": 0.75,
        "s/n_found_in_place": 5,
        "s/n_found_in_place_random_segments": 0,
    }


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


@pytest.mark.parametrize(
    ("table", "column", "headline", "other", "number"),
    [
        ("mask", "share", 0.1, 0.3, "p_from_mean"),
        ("counterfactual", "to_name", "all", "3+7", "judged"),
        ("ace_recovery", "class_name", "all classes", "3+7", "n_found"),
    ],
)
def test_only_rows_that_sum_up_are_headlines(
    table: str, column: str, headline: object, other: object, number: str
) -> None:
    rows = pd.DataFrame({"study": "s", column: [headline, other], number: [1.0, 2.0]})
    assert list(headline_metrics_of({table: rows}).values()) == [1.0]
