"""Tables of counterfactuals: what is counted, and what is skipped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.search import counterfactuals
from conceptrast.counterfactual.table import (
    ALL_PAIRS,
    change_inside,
    counterfactual_rows,
    counterfactual_summary,
    with_names,
)

from .toys import blue, colours, subject_of_toy

NAMES = ["red", "green", "blue"]


def rows_of(ends: dict[int, tuple[int, int, int]], judged: int | None = None, **head) -> pd.DataFrame:
    """Rows of images by id: class of the image, of its decoded start, of its decoded end; and the judge's class."""
    base = {
        "from_class": 0,
        "to_class": 2,
        "edit": "located",
        "direction": "cav",
        "stop": "suffix",
        "baseline": "none",
        "found": True,
        "judge": "" if judged is None else "other",
    }
    parts = []
    for image, (predicted, start, end) in ends.items():
        for fraction, decoded in ((0.0, start), (1.0, end)):
            answers = {
                "predicted": predicted,
                "predicted_decoded": decoded,
                "p_from_decoded": 0.002,
                "p_to_decoded": 0.25 + fraction / 2,
            }
            if judged is not None:
                answers["predicted_judge"] = judged
            place = {"image": image, "fraction": fraction, "lambda": fraction * image, "cells": int(fraction * image)}
            where = {"inside": fraction / 2, "area": 1 / 9}
            parts.append({**base, **head, **place, **answers, **where})
    return with_names(pd.DataFrame(parts), NAMES).assign(status="ok", reason="")


def test_the_summary_counts_images_whose_decoded_start_was_right():
    rows = rows_of({1: (0, 0, 2), 2: (0, 0, 1), 3: (0, 0, 0), 4: (0, 1, 2)})
    row, whole = counterfactual_summary(rows).to_dict("records")
    assert {**whole, "from_class": 0, "from_name": "red", "to_class": 2, "to_name": "blue"} == row
    assert (row["n_images"], row["n_kept"], row["lambda_median"]) == (4, 3, 2.5)
    assert row["reached"] == pytest.approx(1 / 3)
    assert row["low"] < 1 / 3 < row["high"]
    assert (row["cells"], row["inside"], row["area"]) == (2.5, 0.5, pytest.approx(1 / 9))
    assert (row["p_to_before"], row["p_to_after"], row["found"]) == (0.25, 0.75, 1.0)


def test_the_interval_is_that_of_the_judge_where_there_is_one():
    row = counterfactual_summary(rows_of({1: (0, 0, 2), 2: (0, 0, 1)}, judged=2)).iloc[0]
    assert (row["reached"], row["judged"], row["judge"]) == (0.5, 1.0, "other")
    assert row["low"] > 0.3
    assert row["high"] == 1
    assert "judged" not in counterfactual_summary(rows_of({1: (0, 0, 2)}))


def test_edits_stops_and_chance_have_rows_of_their_own():
    rows = pd.concat(
        [
            rows_of({1: (0, 0, 2)}),
            rows_of({1: (0, 0, 1)}, baseline="random"),
            rows_of({1: (0, 0, 2)}, edit="uniform"),
            rows_of({1: (0, 0, 2)}, stop="picture"),
        ]
    )
    summary = counterfactual_summary(rows)
    assert len(summary) == 2 * 4
    chance = summary[(summary["baseline"] == "random") & (summary["to_name"] == "blue")]
    assert chance["reached"].tolist() == [0]


def test_all_pairs_together_and_pairs_that_were_skipped_have_their_rows():
    one = rows_of({1: (0, 0, 2)})
    other = rows_of({1: (1, 1, 1)}, from_class=1)
    skipped = with_names(pd.DataFrame([{"from_class": 2, "to_class": 0, "status": "skipped", "reason": "few"}]), NAMES)
    summary = counterfactual_summary(pd.concat([one, other, skipped]))
    assert summary["from_class"].tolist() == [0, 1, ALL_PAIRS, 2]
    whole = summary[summary["from_class"] == ALL_PAIRS].iloc[0]
    assert (whole["n_images"], whole["reached"], whole["to_name"]) == (2, 0.5, "all")
    assert summary.iloc[-1][["status", "reason", "from_name"]].tolist() == ["skipped", "few", "blue"]


def test_a_run_whose_pairs_were_all_skipped_has_its_reasons():
    rows = pd.DataFrame([{"from_class": 2, "to_class": 0, "status": "skipped", "reason": "few"}])
    summary = counterfactual_summary(with_names(rows, NAMES))
    assert summary[["from_name", "status", "reason"]].to_numpy().tolist() == [["blue", "skipped", "few"]]


def test_an_edit_that_a_pair_lacks_keeps_its_row():
    rows = rows_of({1: (0, 0, 2)})
    lacking = {"from_class": 0, "to_class": 2, "edit": "transplant", "direction": "none", "status": "skipped"}
    lacking = with_names(pd.DataFrame([lacking | {"reason": "no position"}]), NAMES)
    summary = counterfactual_summary(pd.concat([rows, lacking]))
    last = summary.iloc[-1]
    assert last[["edit", "direction", "status", "reason"]].tolist() == ["transplant", "none", "skipped", "no position"]
    assert len(summary) == 3


def test_a_decoder_that_keeps_no_class_is_said_to_be_too_weak():
    row = counterfactual_summary(rows_of({1: (0, 1, 2)})).iloc[0]
    assert (row["status"], row["n_kept"]) == ("skipped", 0)
    assert row["reason"] == "reconstruction not recognised (p = 0.002): raise the decoder's epochs or images"
    assert np.isnan(row["reached"])


def test_the_share_inside_a_box_is_counted_in_pixels():
    changes = np.zeros((2, 4, 4))
    changes[1, 0, 0] = 3
    changes[1, 3, 3] = 1
    inside, area = change_inside(changes, (0, 0, 2, 3))
    assert area == 6 / 16
    assert np.isnan(inside[0])
    assert inside[1] == 0.75
    inside, area = change_inside(changes, None)
    assert np.isnan([*inside, area]).all()


def test_a_row_says_what_each_network_said():
    layer, activations = subject_of_toy(judge=colours())
    edits = blue(activations)
    [way] = counterfactuals(layer, activations, [edits], 2)
    rows = counterfactual_rows(images=[7, 9], walk=way, edit=edits[0], pair=(0, 2), stop="suffix")
    row = rows[(rows["image"] == 9) & (rows["fraction"] == 0.5)].iloc[0]
    assert (row["edit"], row["direction"], row["baseline"]) == ("uniform", "hyperplane", "none")
    assert row["done"] == pytest.approx(way.done[1] / 2)
    assert row["lambda"] == pytest.approx(way.lambdas[1, 1])
    assert row["cells"] == 16
    assert row["p_to"] == pytest.approx(way.probabilities["suffix"][1, 1, 2])
    assert row["p_from_decoded"] == pytest.approx(way.probabilities["decoded"][1, 1, 0])
    assert row["p_to_judge"] == pytest.approx(way.probabilities["judge"][1, 1, 2])


def test_the_change_of_a_picture_is_found_where_it_was_made():
    """Blue in one corner of activations, and so in the corner of the picture: all of the change is in its box."""
    layer, activations = subject_of_toy()
    change = torch.zeros(3, 4, 4)
    change[2, 0, 0] = 5
    edit = Edit("located", "cav", "a corner", "0", change)
    [way] = counterfactuals(layer, activations[:1], [[edit]], 2)
    rows = [
        counterfactual_rows([7], way, edit=edit, pair=(0, 2), stop="suffix", boxes={7: box}).iloc[-1]
        for box in ((0, 0, 2, 2), (2, 2, 8, 8))
    ]
    assert [row["inside"] for row in rows] == [1, 0]
    assert [row["area"] for row in rows] == [4 / 64, 36 / 64]
