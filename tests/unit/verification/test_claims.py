"""Claims: what a file of them may hold, which numbers they name, and whether results bear them out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from conceptrast.base.errors import DataError
from conceptrast.verification.claims import Bound, Claim, Metric, claim_of, read_claims, verdict_of
from conceptrast.verification.results import Results

HEADER = "run,sentence,metric,relation,bound\n"
RESULTS = Results(
    "results/mine",
    metrics={"net/accuracy": 0.75, "net/chance": 0.5},
    tables={
        "shift": pd.DataFrame(
            {
                "study": ["a", "a", "b", "b"],
                "share": [0.0, 0.1, 0.0, 0.1],
                "flat": [True, False, False, False],
                "rate": [0.9, 0.4, 0.8, 0.6],
                "empty": [0.1, None, 0.1, 0.1],
            }
        )
    },
)


def claim(metric: str, relation: str, bound: str) -> Claim:
    return claim_of(["mine", "It holds.", metric, relation, bound])


def written(folder: Path, *lines: str) -> Path:
    (folder / "claims.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return folder / "claims.csv"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("net/accuracy", [0.75]),
        ("shift.csv:rate", [0.9, 0.4, 0.8, 0.6]),
        ("shift.csv:rate[study=a]", [0.9, 0.4]),
        ("shift.csv:rate[study=a|b,share=0.1]", [0.4, 0.6]),
        ("shift.csv:rate[share=0]", [0.9, 0.8]),
        ("shift.csv:rate[flat=True]", [0.9]),
        ("shift.csv:flat[study=a]", [1.0, 0.0]),
    ],
)
def test_a_metric_names_numbers_of_a_run(text: str, values: list[float]) -> None:
    assert Metric.parse(text).values(RESULTS) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net/acuracy", "unknown metric 'net/acuracy'; nearest: net/accuracy"),
        ("shft.csv:rate", "unknown table 'shft'; nearest: shift"),
        ("shift.csv:rte", "unknown column 'rte'; nearest: rate"),
        ("shift.csv:rate[stdy=a]", "unknown column 'stdy'; nearest: study"),
        ("shift.csv:rate[study=c]", "unknown value of 'study' 'c'; valid: a, b"),
        ("shift.csv:rate[study=a|c]", "unknown value of 'study' 'c'"),
        ("shift.csv:rate[share=0.2]", "unknown value of 'share' '0.2'"),
        ("shift.csv:rate[share=some]", "'share' holds numbers, got 'some'"),
        ("shift.csv:empty[study=a]", "a cell is empty or no number"),
        ("shift.csv:study", "a cell is empty or no number"),
    ],
)
def test_a_number_that_is_not_there_is_named_and_the_claim_does_not_hold(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("[", r"\[")):
        Metric.parse(text).values(RESULTS)
    verdict = verdict_of(claim(text, ">", "0"), RESULTS)
    assert not verdict.holds
    assert message in verdict.reason


@pytest.mark.parametrize(
    ("metric", "relation", "bound", "value", "limit", "margin", "holds"),
    [
        ("net/accuracy", ">=", "0.7", 0.75, 0.7, 0.05, True),
        ("net/accuracy", ">=", "0.75", 0.75, 0.75, 0.0, True),
        ("net/accuracy", ">", "0.75", 0.75, 0.75, 0.0, False),
        ("net/accuracy", "<", "0.75", 0.75, 0.75, 0.0, False),
        ("net/accuracy", "<=", "0.7", 0.75, 0.7, -0.05, False),
        ("net/accuracy", "==", "0.75", 0.75, 0.75, 0.0, True),
        ("net/accuracy", "==", "0.7", 0.75, 0.7, -0.05, False),
        ("net/accuracy", ">=", "net/chance", 0.75, 0.5, 0.25, True),
        ("net/accuracy", ">=", "net/chance + 0.25", 0.75, 0.75, 0.0, True),
        ("net/accuracy", "<=", "2 * net/chance - 0.5", 0.75, 0.5, -0.25, False),
        # The number nearest to breaking the claim decides, beside the hardest bound.
        ("shift.csv:rate[study=a]", ">=", "0.5", 0.4, 0.5, -0.1, False),
        ("shift.csv:rate[share=0]", ">", "shift.csv:rate[share=0.1]", 0.8, 0.6, 0.2, True),
        ("shift.csv:rate[share=0.1]", "<=", "shift.csv:rate[share=0] - 0.3", 0.6, 0.5, -0.1, False),
    ],
)
def test_the_verdict_of_a_claim(
    metric: str, relation: str, bound: str, value: float, limit: float, margin: float, holds: bool
) -> None:
    verdict = verdict_of(claim(metric, relation, bound), RESULTS)
    assert (verdict.value, verdict.limit, verdict.margin) == pytest.approx((value, limit, margin))
    assert verdict.holds is holds


def test_a_bound_may_be_a_metric_whose_name_has_signs() -> None:
    bound = Bound.parse("0.5 * mask.csv:p[name=3+7,class_name=all classes] + 1e-2")
    assert bound.metric == Metric.parse("mask.csv:p[name=3+7,class_name=all classes]")
    assert (bound.factor, bound.offset) == (0.5, 0.01)
    assert Bound.parse("i/change_first_crop-zeros_7_8").metric == Metric("i/change_first_crop-zeros_7_8")
    assert Bound.parse("-.5") == Bound("-.5", offset=-0.5)


def test_claims_are_read_with_their_whitespace_collapsed(tmp_path: Path) -> None:
    file = written(tmp_path, '"mine","One,\n  two.",net/accuracy,>=,0.5', "")
    [only] = read_claims(file)
    assert (only.run, only.sentence, only.relation, only.bound.offset) == ("mine", "One, two.", ">=", 0.5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mine,It holds.,net/accuracy,>=", "line 3: it has 4 values, expected 5"),
        ("mine,It, too, holds.,net/accuracy,>=,1", "line 3: it has 7 values, expected 5"),
        ("mine,,net/accuracy,>=,1", "line 3: 'sentence' is empty"),
        ("mine,It holds.,net/accuracy,=>,1", "line 3: unknown relation '=>'; valid: >=, <=, >, <, =="),
        ("mine,It holds.,shift.csv,>=,1", "line 3: metric 'shift.csv' must be written as table.csv:column"),
        ("mine,It holds.,shift.csv:rate[study,>=,1", "line 3: metric 'shift.csv:rate.study' must be written as"),
        ("mine,It holds.,shift.csv:rate[study],>=,1", "line 3: metric 'shift.csv:rate.study.' must be written as"),
        ("mine,It holds.,net/accuracy,>=,1 + 2", "line 3: bound '1 . 2' must be a number or a metric"),
        ("mine,It holds.,net/accuracy,>=,0.5*net/chance + x", "line 3: bound .* must be a number or a metric"),
        ('mine,"It holds,net/accuracy,>=,1', "line 3: unexpected end of data"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"claims.csv, {message}"):
        read_claims(written(tmp_path, "mine,It holds.,net/accuracy,>=,0.5", line))


def test_a_file_that_is_missing_or_holds_no_claims_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"claims.csv does not exist"):
        read_claims(tmp_path / "claims.csv")
    (tmp_path / "claims.csv").write_bytes(b"")
    with pytest.raises(DataError, match="line 1: the columns must be run,sentence,metric,relation,bound"):
        read_claims(tmp_path / "claims.csv")
    (tmp_path / "claims.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="must be text in UTF-8"):
        read_claims(tmp_path / "claims.csv")
