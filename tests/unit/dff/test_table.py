"""The tables of Deep Feature Factorization: names of pictures, and what concepts come to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.statistics import wilson_interval
from conceptrast.dff.concept_rows import concept_rows, picture_names, skipped_rows
from conceptrast.dff.concept_scores import COLUMNS
from conceptrast.dff.picture_groups import PictureGroup
from conceptrast.dff.table import dff_summary

from ..headlines import headline_metrics_of


def group(images: list[int], **columns: list) -> PictureGroup:
    """Pictures whose table has these columns."""
    return PictureGroup(np.array(images), [], {}, pd.DataFrame({"n_components": 2, "status": "ok", **columns}))


def test_rows_have_the_name_of_their_picture_or_of_all() -> None:
    alone = [group([4], concept=[1, 2]), group([7], reason=["why"])]
    rows = concept_rows(alone, ["cat", "dog"])
    assert rows["picture"].tolist() == ["cat", "cat", "dog"]
    assert list(rows.columns) == ["picture", *COLUMNS]
    assert picture_names([group([4, 7], concept=[1])], ["cat", "dog"]) == ["all"]
    assert picture_names([group([4], concept=[1])], ["cat"]) == ["cat"]
    assert picture_names(alone, ["cat", "dog"]) == ["cat", "dog"]


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two pictures of two concepts, one of which has no region, and a third picture with nothing to factorize."""
    concepts = {
        "picture": ["a", "a", "a", "a", "b", "b", "b", "b"],
        "n_components": 2,
        "concept": [1, 1, 2, 2] * 2,
        "rank": [1, 2] * 4,
        "status": ["ok"] * 6 + ["skipped"] * 2,
        "reason": [""] * 6 + ["no region"] * 2,
        "reconstruction_error": [0.4] * 4 + [0.6] * 4,
        "agree": [True, False, False, True, True, True, None, None],
        "blur_score": [0.5, 9, 0.1, 9, 0.3, 9, None, None],
        "blur_chance": [0.1, 9, 0.2, 9, 0.0, 9, None, None],
    }
    return pd.concat([pd.DataFrame(concepts), skipped_rows([2], "nothing").assign(picture="c")], ignore_index=True)


def test_the_summary_counts_first_classes_of_concepts_with_a_region(rows: pd.DataFrame) -> None:
    [row] = dff_summary(rows).to_dict("records")
    assert (row["n_components"], row["n_pictures"], row["n_concepts"], row["n_skipped"]) == (2, 2, 3, 1)
    assert row["reconstruction_error"] == pytest.approx(0.5)
    assert row["agree"] == pytest.approx(2 / 3)
    assert (row["low"], row["high"]) == pytest.approx(wilson_interval(2, 3))
    assert (row["blur"], row["blur_chance"]) == pytest.approx((0.3, 0.1))
    assert row["beyond_chance"] == pytest.approx(0.2)
    assert -0.101 <= row["beyond_low"] < 0.2 < row["beyond_high"] <= 0.401
    assert (
        dff_summary(rows, seed=1)
        .drop(columns=["beyond_low", "beyond_high"])
        .equals(dff_summary(rows).drop(columns=["beyond_low", "beyond_high"]))
    )


def test_numbers_of_concepts_are_summed_up_one_by_one(rows: pd.DataFrame) -> None:
    more = rows.query("picture == 'a'").assign(n_components=10, blur_score=0.0, blur_chance=0.25)
    table = dff_summary(pd.concat([more, rows]))
    assert table["n_components"].tolist() == [2, 10]
    assert table["beyond_chance"].tolist() == pytest.approx([0.2, -0.25])


def test_pictures_that_are_not_there_have_a_row_with_the_reason() -> None:
    rows = skipped_rows([5, 2], "there are no pictures predicted as church")
    assert rows["n_components"].tolist() == [2, 5]
    table = dff_summary(rows)
    assert table["status"].tolist() == ["skipped"] * 2
    assert set(table["reason"]) == {"there are no pictures predicted as church"}


def test_headlines_say_for_how_many_concepts_they_are(rows: pd.DataFrame) -> None:
    table = pd.concat([dff_summary(rows), dff_summary(skipped_rows([5], "none"))]).assign(dff="church")
    metrics = headline_metrics_of({"dff_summary": table, "dff_concepts": rows.assign(dff="church")})
    assert metrics == {
        "church/agree_k2": pytest.approx(2 / 3),
        "church/blur_k2": pytest.approx(0.3),
        "church/blur_chance_k2": pytest.approx(0.1),
        "church/beyond_chance_k2": pytest.approx(0.2),
        "church/reconstruction_error_k2": pytest.approx(0.5),
    }
