"""Claims: sentences of the documents, each with the numbers of a run that bear it out.

``docs/claims.csv`` has the columns *run, sentence, metric, relation, bound*. A sentence is borne out by one row or by
several. ``metric`` is the name of a number:

- a name in ``metrics.json``, e.g. ``lenet/accuracy``;
- cells of a table, ``table.csv:column[key=value,key=value|value]``: the cells of that column in all rows whose other
  columns have these values. Several cells all have to fulfil the relation.

``bound`` is a number, or another metric that may be multiplied and shifted: ``0.5 * metric + 0.1``.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from conceptrast.base.errors import ConceptrastError, DataError, unknown_name
from conceptrast.verification.results import Results

COLUMNS = ("run", "sentence", "metric", "relation", "bound")
RELATIONS = (">=", "<=", ">", "<", "==")
TOLERANCE = 1e-9
"""Numbers that are nearer count as equal: tables keep nine digits."""

CELLS = re.compile(r"(?P<table>[\w-]+)\.csv:(?P<column>[^\[\]]+?)(?:\[(?P<rows>[^\[\]]*)\])?")
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
BOUND = re.compile(rf"(?:(?P<factor>{NUMBER}) \* )?(?P<metric>\S.*?)(?: (?P<sign>[+-]) (?P<offset>{NUMBER}))?")


@dataclass(frozen=True)
class Metric:
    """A name for one number or several of a run.

    Args:
        text: the name as it is written.
        table: name of the table; empty for a name in ``metrics.json``.
        column: column of the table.
        rows: for other columns, the values that a row may have in it.
    """

    text: str
    table: str = ""
    column: str = ""
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Metric:
        """The metric that a text names.

        Raises:
            DataError: the text looks like cells of a table but is not written like them.

        Example:
            >>> Metric.parse("shift.csv:swap_rate_mean[study=a|b,baseline=none]").rows
            (('study', ('a', 'b')), ('baseline', ('none',)))
        """
        if ".csv" not in text:
            return cls(text)
        match = CELLS.fullmatch(text)
        conditions = [part.partition("=") for part in match["rows"].split(",")] if match and match["rows"] else []
        if match is None or any(not (column and values) for column, _, values in conditions):
            raise DataError(f"metric {text!r} must be written as table.csv:column[key=value,key=value|value]")
        rows = tuple((column.strip(), tuple(values.split("|"))) for column, _, values in conditions)
        return cls(text, match["table"], match["column"], rows)

    def values(self, results: Results) -> list[float]:
        """Its numbers in the results of a run.

        Raises:
            DataError: the run has no such number.
        """
        if not self.table:
            if self.text not in results.metrics:
                raise DataError(unknown_name("metric", self.text, results.metrics, limit=3))
            return [float(results.metrics[self.text])]
        if self.table not in results.tables:
            raise DataError(unknown_name("table", self.table, results.tables))
        rows = results.tables[self.table]
        for column, values in self.rows:
            rows = _rows_with(rows, column, values)
        if self.column not in rows:
            raise DataError(unknown_name("column", self.column, rows.columns))
        numbers = pd.to_numeric(rows[self.column], errors="coerce").astype(float).tolist()
        if not all(math.isfinite(number) for number in numbers):
            raise DataError(f"{self.text}: a cell is empty or no number")
        return numbers


def _rows_with(rows: pd.DataFrame, column: str, values: Sequence[str]) -> pd.DataFrame:
    """The rows that have one of these values in a column.

    Raises:
        DataError: there is no such column, or one of the values is in no row.
    """
    if column not in rows:
        raise DataError(unknown_name("column", column, rows.columns))
    cells = rows[column]
    if is_numeric_dtype(cells) and not is_bool_dtype(cells):
        matches = [(cells - _number(column, value)).abs() <= TOLERANCE for value in values]
    else:
        matches = [cells.astype(str) == value for value in values]
    for value, match in zip(values, matches, strict=True):
        if not match.any():
            raise DataError(unknown_name(f"value of '{column}'", value, dict.fromkeys(cells)))
    return rows[pd.concat(matches, axis=1).any(axis=1)]


def _number(column: str, value: str) -> float:
    if not re.fullmatch(NUMBER, value):
        raise DataError(f"'{column}' holds numbers, got {value!r}")
    return float(value)


@dataclass(frozen=True)
class Bound:
    r"""What a metric is compared with: ``factor * metric + offset``, or ``offset`` alone."""

    text: str
    offset: float = 0.0
    factor: float = 1.0
    metric: Metric | None = None

    @classmethod
    def parse(cls, text: str) -> Bound:
        """The bound that a text says.

        Raises:
            DataError: it is neither a number nor a metric.

        Example:
            >>> Bound.parse("0.9").offset
            0.9
            >>> bound = Bound.parse("2 * lenet/accuracy - 0.1")
            >>> bound.factor, bound.metric.text, bound.offset
            (2.0, 'lenet/accuracy', -0.1)
        """
        if re.fullmatch(NUMBER, text):
            return cls(text, offset=float(text))
        match = BOUND.fullmatch(text)
        name = re.sub(r"\[[^\]]*\]", "", match["metric"]) if match else ""
        if match is None or " " in name or re.fullmatch(NUMBER, name):
            raise DataError(f"bound {text!r} must be a number or a metric, such as 0.9 or 0.5 * lenet/accuracy + 0.1")
        offset = float(f"{match['sign']}{match['offset']}") if match["offset"] else 0.0
        return cls(text, offset, float(match["factor"] or 1), Metric.parse(match["metric"]))

    def values(self, results: Results) -> list[float]:
        """Its numbers in the results of a run.

        Raises:
            DataError: the run has no such number.
        """
        if self.metric is None:
            return [self.offset]
        return [self.factor * value + self.offset for value in self.metric.values(results)]


@dataclass(frozen=True)
class Claim:
    """One row of ``docs/claims.csv``: what a number of a run must be, so that a sentence holds."""

    run: str
    sentence: str
    metric: Metric
    relation: str
    bound: Bound


@dataclass(frozen=True)
class Verdict:
    """Whether a run bears a claim out.

    Args:
        claim: the claim.
        value: the metric; of several numbers, the one that is nearest to breaking the claim.
        limit: the bound; likewise.
        margin: by how much the claim holds; below 0, by how much it fails.
        holds: whether it holds.
        reason: why it could not be checked; empty if it could. Such a claim does not hold.
    """

    claim: Claim
    value: float = math.nan
    limit: float = math.nan
    margin: float = math.nan
    holds: bool = False
    reason: str = ""


def read_claims(file: Path) -> list[Claim]:
    """The claims of a file.

    Raises:
        DataError: the file is missing, or a line of it is wrong. The message names the line and what would be right.
    """
    if not file.is_file():
        raise DataError(f"the claims are missing: {file} does not exist")
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise DataError(f"{file.name} must be text in UTF-8") from None
    reader = csv.reader(lines, strict=True)
    claims = []
    try:
        if tuple(next(reader, ())) != COLUMNS:
            raise DataError(f"the columns must be {','.join(COLUMNS)}")
        claims = [claim_of(row) for row in reader if row]
    except (DataError, csv.Error) as error:
        raise DataError(f"{file.name}, line {max(reader.line_num, 1)}: {error}") from None
    return claims


def claim_of(row: Sequence[str]) -> Claim:
    """The claim of one row.

    Raises:
        DataError: the row is wrong.

    Example:
        >>> claim = claim_of(["default", "LeNet reads digits.", "lenet/accuracy", ">=", "0.9"])
        >>> claim.bound.offset
        0.9
    """
    if len(row) != len(COLUMNS):
        raise DataError(f"it has {len(row)} values, expected {len(COLUMNS)} ({', '.join(COLUMNS)})")
    run, sentence, metric, relation, bound = (" ".join(value.split()) for value in row)
    for name, value in zip(COLUMNS, row, strict=True):
        if not value.strip():
            raise DataError(f"'{name}' is empty")
    if relation not in RELATIONS:
        raise DataError(f"unknown relation {relation!r}; valid: {', '.join(RELATIONS)}")
    return Claim(
        run=run,
        sentence=sentence,
        metric=Metric.parse(metric),
        relation=relation,
        bound=Bound.parse(bound),
    )


def verdict_of(claim: Claim, results: Results) -> Verdict:
    """Whether the results of a run bear a claim out.

    The relation has to hold between every number of the metric and every number of the bound.

    Example:
        >>> claim = claim_of(["default", "LeNet reads digits.", "lenet/accuracy", ">=", "0.9"])
        >>> verdict = verdict_of(claim, Results("mine", {"lenet/accuracy": 0.96}, {}))
        >>> verdict.holds, round(verdict.margin, 2)
        (True, 0.06)
    """
    try:
        pairs = list(itertools.product(claim.metric.values(results), claim.bound.values(results)))
    except ConceptrastError as error:
        return Verdict(claim, reason=str(error))
    margins = [_margin(value, claim.relation, limit) for value, limit in pairs]
    margin = min(margins)
    value, limit = pairs[margins.index(margin)]
    holds = margin > TOLERANCE if claim.relation in ("<", ">") else margin >= -TOLERANCE
    return Verdict(claim, value=value, limit=limit, margin=margin, holds=holds)


def _margin(value: float, relation: str, limit: float) -> float:
    if relation == "==":
        return -abs(value - limit)
    return value - limit if relation.startswith(">") else limit - value


def verdicts_of(claims: Iterable[Claim], run: str, results: Results) -> list[Verdict]:
    """Verdicts of the claims about one run, in their order."""
    return [verdict_of(claim, results) for claim in claims if claim.run == run]
