"""Tables of counterfactuals: what is counted, and what is skipped."""

from __future__ import annotations

import pandas as pd
import pytest

from conceptrast.counterfactual.search import counterfactuals
from conceptrast.counterfactual.table import ALL_PAIRS, WEAK, counterfactual_rows, counterfactual_summary, with_names

from .toys import BLUE, subject_of_toy

NAMES = ["red", "green", "blue"]


def rows_of(ends: dict[int, tuple[int, int, int]], **head) -> pd.DataFrame:
    """Rows of images by id: class of the image, of its decoded start, of its decoded end."""
    base = {"from_class": 0, "to_class": 2, "direction": "cav", "stop": "suffix", "baseline": "none", "found": True}
    parts = []
    for image, (predicted, start, end) in ends.items():
        for fraction, decoded in ((0.0, start), (1.0, end)):
            probabilities = {"predicted": predicted, "predicted_decoded": decoded, "p_to_decoded": 0.25 + fraction / 2}
            place = {"image": image, "fraction": fraction, "lambda": fraction * image}
            parts.append({**base, **head, **place, **probabilities})
    return with_names(pd.DataFrame(parts), NAMES).assign(status="ok", reason="")


def test_the_summary_counts_images_whose_decoded_start_was_right():
    rows = rows_of({1: (0, 0, 2), 2: (0, 0, 1), 3: (0, 0, 0), 4: (0, 1, 2)})
    row, whole = counterfactual_summary(rows).to_dict("records")
    assert {**whole, "from_class": 0, "from_name": "red", "to_class": 2, "to_name": "blue"} == row
    assert (row["n_images"], row["n_kept"], row["lambda_median"]) == (4, 3, 2.5)
    assert (row["changed"], row["reached"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert row["low"] < 2 / 3 < row["high"]
    assert (row["p_to_before"], row["p_to_after"], row["found"]) == (0.25, 0.75, 1.0)


def test_all_pairs_together_and_pairs_that_were_skipped_have_their_rows():
    one = rows_of({1: (0, 0, 2)})
    other = rows_of({1: (1, 1, 1)}, from_class=1)
    skipped = with_names(pd.DataFrame([{"from_class": 2, "to_class": 0, "status": "skipped", "reason": "few"}]), NAMES)
    summary = counterfactual_summary(pd.concat([one, other, skipped]))
    assert summary["from_class"].tolist() == [0, 1, ALL_PAIRS, 2]
    whole = summary[summary["from_class"] == ALL_PAIRS].iloc[0]
    assert (whole["n_images"], whole["changed"], whole["reached"], whole["to_name"]) == (2, 0.5, 0.5, "all")
    assert summary.iloc[-1][["status", "reason", "from_name"]].tolist() == ["skipped", "few", "blue"]


def test_a_run_whose_pairs_were_all_skipped_has_its_reasons():
    rows = pd.DataFrame([{"from_class": 2, "to_class": 0, "status": "skipped", "reason": "few"}])
    summary = counterfactual_summary(with_names(rows, NAMES))
    assert summary[["from_name", "status", "reason"]].to_numpy().tolist() == [["blue", "skipped", "few"]]


def test_a_direction_that_a_pair_lacks_keeps_its_row():
    rows = rows_of({1: (0, 0, 2)})
    lacking = pd.DataFrame(
        [{"from_class": 0, "to_class": 2, "direction": "cav", "status": "skipped", "reason": "none"}]
    )
    summary = counterfactual_summary(pd.concat([rows, with_names(lacking, NAMES)]))
    assert summary.iloc[-1][["direction", "status", "reason"]].tolist() == ["cav", "skipped", "none"]
    assert len(summary) == 3


def test_a_decoder_that_keeps_no_class_is_said_to_be_too_weak():
    row = counterfactual_summary(rows_of({1: (0, 1, 2)})).iloc[0]
    assert (row["status"], row["reason"], row["n_kept"]) == ("skipped", WEAK, 0)


def test_a_row_says_what_each_half_said():
    layer, activations = subject_of_toy()
    [way] = counterfactuals(layer, activations, [[BLUE, BLUE]], 2)
    rows = counterfactual_rows(images=[7, 9], walk=way, direction=BLUE, pair=(0, 2), stop="suffix")
    row = rows[(rows["image"] == 9) & (rows["fraction"] == 0.5)].iloc[0]
    assert row["lambda"] == pytest.approx(way.lambdas[1] / 2)
    assert row["p_to"] == pytest.approx(way.suffix[1, 2, 2])
    assert row["p_from_decoded"] == pytest.approx(way.decoded[1, 2, 0])
