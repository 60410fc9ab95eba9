"""Metrics beside committed ones: same, within an interval, outside; missing and new ones are named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from conceptrast.plan.analyses import interval_columns, known_tables
from conceptrast.verification.claims import claim_of
from conceptrast.verification.comparison import comparisons_of, intervals_of
from conceptrast.verification.repetition import claims_by_seed, spread
from conceptrast.verification.results import Results, results_at

ROOT = Path(__file__).resolve().parents[3]


def test_kinds_of_comparisons() -> None:
    before = {
        "a": 1.0,
        "b": 1.0,
        "b_low": 0.5,
        "b_high": 1.5,
        "c": 1.0,
        "c_low": 0.9,
        "c_high": 1.1,
        "d": 1.0,
        "e": 1.0,
    }
    now = {**before, "a": 1.0 + 1e-8, "b": 1.4, "c": 1.2, "d": 1.1, "f": 2.0}
    del now["e"]
    kinds = {part.metric: part.kind for part in comparisons_of(Results("HEAD", before, {}), Results("now", now, {}))}
    ends = dict.fromkeys(("b_low", "b_high", "c_low", "c_high"), "same")
    assert kinds == {
        **ends,
        **{"a": "same", "b": "within", "c": "outside", "d": "differs", "e": "missing", "f": "new"},
    }


def test_intervals_come_from_the_row_of_a_metric() -> None:
    match = {"study": "s", "recipe": "r", "selection": "all", "baseline": "none", "match_rate": 0.5}
    tables = {
        "component_prediction": pd.DataFrame([{**match, "low": 0.3, "high": 0.8, "probability_mean": 0.4}]),
        "shift": pd.DataFrame(
            {
                "study": ["s", "t"],
                "hyperplane": "zero",
                "baseline": "none",
                "swap_rate_mean": [0.9, 1.0],
                "swap_rate_sd": [0.05, 0.0],
            }
        ),
    }
    metrics = {"s/match_rate_r_all": 0.5, "s/probability_mean_r_all": 0.4, "net/accuracy": 0.9}
    metrics |= {"net/accuracy_low": 0.8, "net/accuracy_high": 0.95}
    intervals = intervals_of(Results("HEAD", metrics, tables))
    assert intervals == {
        "s/match_rate_r_all": (0.3, 0.8),
        "s/swap_rate_mean_zero": (0.8, 1.0),
        "net/accuracy": (0.8, 0.95),
    }


def test_columns_of_intervals_are_those_of_the_committed_tables() -> None:
    tables = results_at(ROOT, "default", "HEAD").tables
    declared = interval_columns(name for name in known_tables() if name in tables)
    missing = [
        (name, column)
        for name, intervals in declared.items()
        for metric, ends in intervals.items()
        for column in (metric, *ends)
        if column not in tables[name]
    ]
    assert missing == []


def test_committed_numbers_lie_in_their_own_intervals() -> None:
    results = results_at(ROOT, "default", "HEAD")
    intervals = intervals_of(results)
    assert len(intervals) > 200
    outside = [
        name for name, (low, high) in intervals.items() if not low - 1e-6 <= results.metrics[name] <= high + 1e-6
    ]
    assert outside == []
    assert {part.kind for part in comparisons_of(results, results)} == {"same"}


def test_the_spread_of_metrics_over_seeds() -> None:
    table = spread({3: {"b": 1.0, "a": 2.0}, 5: {"a": 4.0}}).set_index("metric")
    assert table.index.tolist() == ["a", "b"]
    assert table.loc["a", ["n_seeds", "mean", "lowest", "highest", "seed_3", "seed_5"]].tolist() == [2, 3, 2, 4, 2, 4]
    assert table.loc["a", "sd"] == pytest.approx(2**0.5)
    assert table.loc["b", ["n_seeds", "mean", "sd"]].tolist() == [1, 1, 0]
    assert pd.isna(table.loc["b", "seed_5"])


def test_claims_are_checked_at_every_seed() -> None:
    claims = [claim_of(["mine", "It holds.", "a", ">", "1"]), claim_of(["other", "It holds.", "a", ">", "1"])]
    results = {seed: Results("", {"a": float(seed)}, {}) for seed in (1, 2)} | {3: Results("", {}, {})}
    table = claims_by_seed(claims, "mine", results)
    assert table[["seed", "holds"]].to_numpy().tolist() == [[1, False], [2, True], [3, False]]
    assert table["reason"].tolist() == ["", "", "unknown metric 'a'; valid: (none)"]
    assert claims_by_seed(claims, "third", results).empty
