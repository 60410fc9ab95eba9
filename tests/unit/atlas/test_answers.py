"""Answers and headline numbers of tables that are written out here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conceptrast.atlas.answers import Answer, answers
from conceptrast.atlas.atlas import checked_claims
from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.headlines import headline_numbers
from conceptrast.atlas.numbers import Measure
from conceptrast.atlas.run_files import Description, RunFiles
from conceptrast.base.files import write_json, write_table


def answer_of(folder: Path, analysis: str, rows: Sequence[dict[str, Any]], table: str = "", claims: str = "") -> Answer:
    """The one answer of a run that has this analysis with one entry, ``mine``, and these rows in its table.

    Args:
        folder: where the table is written.
        analysis: its name.
        rows: the rows.
        table: the table's name, if it is not the analysis's.
        claims: rows of a file of claims.
    """
    name = table or analysis
    write_table(pd.DataFrame(rows), folder / "tables" / f"{name}.csv")
    description = Description(
        run="run",
        config={"studies": {}},
        questions={analysis: "What?"},
        entries={analysis: ["mine"]},
        tables={analysis: [name]},
        card_recipe="recommended",
    )
    write_json({}, folder / "metrics.json")
    files = RunFiles(folder, description)
    (folder / "claims.csv").write_text(f"run,sentence,metric,relation,bound\n{claims}")
    [answer] = answers(files, checked_claims(files, folder / "claims.csv"))
    return answer


def test_every_entry_has_one_headline_number_and_its_highest_chance() -> None:
    chances = [("random", 0.1), ("other", 0.3)]
    measures = [
        Measure("a: not known", "", value=None, entry="a"),
        Measure("a: this edit", "", value=0.9, chances=chances, entry="a"),
        Measure("a: that edit", "", value=0.2, chances=chances, entry="a"),
        Measure("b", "", value=0.5, entry="b"),
    ]
    numbers = headline_numbers([Answer("counterfactual", "What?", test="", measures=measures)])
    assert numbers == {"counterfactual/a": 0.9, "counterfactual/a chance": 0.3, "counterfactual/b": 0.5}


def test_a_bias_stands_beside_its_control(tmp_path) -> None:
    known = {"bias": "mine", "network": "net", "seed": 0, "status": "ok", "reliance_low": 0, "reliance_high": 1}
    answer = answer_of(
        tmp_path,
        "bias",
        [
            {**known, "condition": "biased", "reliance": 0.7, "relies": "yes", "shows": "no"},
            {**known, "condition": "control", "reliance": -0.02, "relies": "no", "shows": "no"},
        ],
        table="latent_bias",
    )
    biased, control = answer.measures
    assert biased.text == "reliance 0.70: it relies on the bias, its latent space shows less than the bound"
    assert biased.chances == [("trained without it", -0.02)]
    assert control.text.startswith("reliance -0.02: it does not rely on the bias")
    assert control.chances == []


@pytest.mark.parametrize(
    ("relies", "shows", "words"),
    [
        ("not learnt", "not learnt", "reliance 0.10: it has learnt too little to say more"),
        ("no", "no verdict", "reliance 0.10: it does not rely on the bias; whether its latent space shows it is open"),
        (
            "no verdict",
            "no",
            "reliance 0.10: whether it relies on the bias is open, its latent space shows less than the bound",
        ),
    ],
)
def test_no_verdict_is_not_called_no(tmp_path, relies, shows, words) -> None:
    row = {"bias": "mine", "network": "net", "seed": 0, "status": "ok", "reliance_low": 0, "reliance_high": 1}
    row |= {"condition": "biased", "reliance": 0.1, "relies": relies, "shows": shows}
    [measure] = answer_of(tmp_path, "bias", [row], table="latent_bias").measures
    assert measure.text == words


@pytest.mark.parametrize(
    ("by_pair", "words"),
    [
        ([0.0, 0.9, 0.1], "; by pair of classes 0\xa0% to 90\xa0%"),
        ([0.3, 0.3, 0.3], ""),
        ([0.3], ""),
    ],
)
def test_a_share_of_all_pictures_says_how_much_pairs_of_classes_differ(tmp_path, by_pair, words) -> None:
    edit = {"study": "mine", "edit": "uniform", "direction": "means", "stop": "picture", "baseline": "none"}
    edit |= {"status": "ok", "n_kept": 10, "low": 0.1, "high": 0.5}
    pairs = [{**edit, "from_name": "A", "to_name": f"B{place}", "judged": share} for place, share in enumerate(by_pair)]
    pooled = {**edit, "from_name": "all", "to_name": "all", "judged": 0.3}
    [measure] = answer_of(tmp_path, "counterfactual", [*pairs, pooled], table="counterfactual").measures
    assert measure.text == "30\xa0% of 10 pictures"
    assert measure.interval == f"10\xa0% to 50\xa0%{words}"


def test_a_rate_that_all_draws_share_has_no_interval(tmp_path) -> None:
    row = {"study": "mine", "hyperplane": "zero", "baseline": "none", "swap_rate_mean": 0.9}
    [certain] = answer_of(tmp_path / "certain", "contrast", [row | {"swap_rate_sd": 0.0}], table="shift").measures
    assert certain.interval == ""
    [measure] = answer_of(tmp_path / "spread", "contrast", [row | {"swap_rate_sd": 0.1}], table="shift").measures
    assert measure.interval == "70\xa0% to 100\xa0%"


def test_pasted_components_are_counted_if_they_add_more_than_both_controls(tmp_path) -> None:
    pair = {"insertion": "mine", "first": 7, "first_name": "A", "second": 8, "second_name": "B", "status": "ok"}
    rows = [
        {**pair, "component": component, "condition": condition, "change_first": change, "low_first": low}
        for component, conditions in {
            4: {"crop": (0.3, 0.2), "zeros": (0, 0), "shuffled": (0.1, 0), "crop-zeros": (0.3, 0.2)},
            2: {"crop": (0.2, 0.1), "zeros": (0, 0), "shuffled": (0.2, 0), "crop-zeros": (0.2, 0.1)},
        }.items()
        for condition, (change, low) in {**conditions, "crop-shuffled": (0, {4: 0.1, 2: -0.1}[component])}.items()
    ]
    rows = [{**row, "high_first": row["change_first"]} for row in rows]
    rows.append({**pair, "first": 3, "status": "skipped"})  # an empty cell makes numbers of components decimal
    [measure] = answer_of(tmp_path, "insertion", rows, table="component_insertion").measures
    assert measure.text == (
        "1 of 2 components adds more than both controls; with contrast component 5, p(A) changes by +0.30"
    )
    assert measure.chances == [("a square of one colour", 0.0), ("its pixels shuffled", 0.1)]
    assert measure.href == "insertion/mine.html"


def test_a_shortcuts_best_direction_is_shown_by_what_it_was_chosen_by_beside_the_best_random_one(tmp_path) -> None:
    rows = [
        {"study": "mine", "kind": kind, "name": name, "rank": rank, "auroc": 0.99, "auroc_pasted": area}
        for kind, name, rank, area in [
            ("component", "A: component 1", 2, 0.6),
            ("component", "A: component 2", 1, 0.7),
            ("random", "mean of 20 random directions", 1, 0.5),
        ]
    ]
    rows = [row | {"auroc_pasted_low": 0.4, "auroc_pasted_high": 0.75} for row in rows]
    [measure] = answer_of(tmp_path, "shortcut", rows).measures
    assert measure.text == "A: component 2, AUROC 0.70"
    assert (measure.value, measure.interval) == (0.7, "0.40 to 0.75")
    assert measure.chances == [("a random direction", 0.5), ("nearly the best of them", 0.75)]


def test_what_a_blur_takes_has_the_interval_of_what_it_takes_beyond_chance(tmp_path) -> None:
    row = {"dff": "mine", "n_components": 2, "n_concepts": 4, "status": "ok", "blur": 0.3, "blur_chance": -0.00002}
    row |= {"beyond_chance": 0.3, "beyond_low": -0.1, "beyond_high": 0.6}
    claims = "run,It takes something.,dff_summary.csv:beyond_low,>=,0\nrun,It falls.,dff_summary.csv:blur,>=,0.2\n"
    [measure] = answer_of(tmp_path, "dff", [row], table="dff_summary", claims=claims).measures
    assert measure.text == "the probability falls by 0.30; beyond chance: 0.30 (-0.10 to 0.60)"
    assert measure.chance == "about 0 (blurred elsewhere)"
    assert [(badge.sentence, badge.holds) for badge in measure.badges] == [
        ("It falls.", True),
        ("It takes something.", False),
    ]


def test_an_interval_over_two_concepts_is_called_what_it_is(tmp_path) -> None:
    row = {"dff": "mine", "n_components": 2, "n_concepts": 2, "status": "ok", "blur": 0.6, "blur_chance": 0.3}
    row |= {"beyond_chance": 0.3, "beyond_low": 0.1, "beyond_high": 0.5}
    [measure] = answer_of(tmp_path, "dff", [row], table="dff_summary").measures
    assert measure.text == "the probability falls by 0.60; beyond chance: 0.30 (the 2 concepts: 0.10 to 0.50)"


def test_a_pasted_crop_stands_beside_a_square_of_one_colour(tmp_path) -> None:
    pair = {"insertion": "mine", "first": 7, "first_name": "A", "second": 8, "second_name": "B", "status": "ok"}
    rows = [
        {
            **pair,
            "condition": condition,
            "change_first": change,
            "low_first": change - 0.02,
            "high_first": change + 0.02,
        }
        for condition, change in {"crop": 0.05, "zeros": 0.02, "shuffled": -0.1, "crop-zeros": 0.03}.items()
    ]
    [measure] = answer_of(tmp_path, "insertion", rows).measures
    assert measure.text == "p(A), beyond a square of one colour: 0.03 (0.01 to 0.05); in all it changes by +0.05"
    assert measure.chances == [("a square of one colour", 0.02), ("its pixels shuffled", -0.1)]


def test_labels_that_are_kept_apart_are_counted_apart(tmp_path) -> None:
    test = {
        "study": "mine",
        "recipe": "recommended",
        "selection": "exclude_target",
        "layout": "grid",
        "baseline": "none",
    }
    groups = [
        {**test, "labels": "A", "matched": 3, "n_classes": 4},
        {**test, "labels": "others", "matched": 1, "n_classes": 5},
    ]
    write_table(pd.DataFrame(groups), tmp_path / "tables" / "component_prediction_by_labels.csv")
    row = {**test, "matched": 4, "n_classes": 9, "match_rate": 4 / 9, "low": 0.2, "high": 0.7}
    description = Description(
        run="run",
        config={"studies": {}},
        questions={"concepts": "What?"},
        entries={"concepts": ["mine"]},
        tables={"concepts": ["component_prediction", "component_prediction_by_labels"]},
        card_recipe="recommended",
    )
    write_table(pd.DataFrame([row]), tmp_path / "tables" / "component_prediction.csv")
    [answer] = answers(RunFiles(tmp_path, description), CheckedClaims("run"))
    assert answer.measures[0].text == "4 of 9 classes (labels kept apart, and others: 3 of 4, 1 of 5)"


def test_superpixels_of_several_classes_are_summed_beside_random_segments(tmp_path) -> None:
    rows = [
        {
            **{"study": "mine", "class": target, "class_name": f"class {target}", "segments_as": "in_place"},
            **{"baseline": baseline, "status": "ok", "significant": significant},
        }
        for target, baseline, significant in [
            (0, "none", True),
            (0, "none", True),
            (0, "random_segments", False),
            (1, "none", False),
            (1, "none", True),
            (1, "random_segments", True),
        ]
    ]
    rows.append({**rows[0], "segments_as": "resized", "significant": False})
    both, first, second = answer_of(tmp_path, "ace", rows).measures
    assert (both.value, both.text) == (0.75, "3 of 4 concepts differ from random ones")
    assert both.chances == [("of random segments", 0.5)]
    assert [measure.value for measure in (first, second)] == [1.0, 0.5]
    assert second.href == "concepts/mine.html#class-1"


@pytest.mark.parametrize("kinds", [("class", "difference"), ("difference", "class")])
def test_why_a_and_not_b_comes_before_why_a(tmp_path, kinds) -> None:
    row = {"view": "mine", "method": "grad_cam", "baseline": "none", "n_images": 3, "status": "ok", "more": 0.5}
    rows = [{**row, "target_kind": kind, "more_low": 0, "more_high": 1} for kind in kinds]
    labels = [measure.label for measure in answer_of(tmp_path, "saliency", rows, table="saliency_truth").measures]
    assert labels == ["mine: why A and not B, grad-cam", "mine: why A, grad-cam"]
