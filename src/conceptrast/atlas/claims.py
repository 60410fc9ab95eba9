"""Claims of the documents beside the numbers that they speak of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conceptrast.verification.claims import TOLERANCE, Metric, Verdict
from conceptrast.verification.report import Outcome, outcome_of, summary_of_claims


@dataclass(frozen=True)
class Badge:
    """The verdict of one claim beside a number.

    Args:
        holds: whether the run bears the claim out.
        sentence: the sentence of the documents.
        remark: by how much it holds or fails.
        anchor: its place on the page of claims.
    """

    holds: bool
    sentence: str
    remark: str
    anchor: str


@dataclass(frozen=True)
class CheckedClaims:
    """All claims about a run, checked.

    Args:
        run: name of the run.
        verdicts: of every claim.
        further: outcomes of claims that were checked elsewhere, at several seeds.
        reason: why no claim was checked; empty if claims were.
    """

    run: str
    verdicts: Sequence[Verdict] = ()
    further: Sequence[Outcome] = ()
    reason: str = ""

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """What came of each claim, in words."""
        return [*(outcome_of(verdict) for verdict in self.verdicts), *self.further]

    @property
    def summary(self) -> str:
        """How many claims hold."""
        return self.reason or summary_of_claims(self.run, self.outcomes)

    @property
    def failing(self) -> int:
        """The number of claims that do not hold."""
        return sum(not outcome.holds for outcome in self.outcomes)

    def of_cell(self, table: str, column: str, row: Mapping[str, Any]) -> list[Badge]:
        """Badges of the claims that speak of one cell of a table.

        Args:
            table: name of the table.
            column: column of the cell.
            row: all cells of its row by column.
        """
        return [self.badge(place) for place in self._places.get((table, column), ()) if self._speaks_of(place, row)]

    def with_badges(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows of a table, each with the badges of its cells by column, as ``_badges``."""
        return [{**row, "_badges": {column: self.of_cell(table, column, row) for column in row}} for row in rows]

    def about(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Badge]]:
        """Badges of the claims that speak of some rows, by sentence.

        Args:
            rows: by name of their table.
        """
        sentences: dict[str, list[Badge]] = {}
        for place, verdict in enumerate(self.verdicts):
            metrics = [metric for metric in _metrics(verdict) if metric.table in rows]
            if any(_is_in(metric, row) for metric in metrics for row in rows[metric.table]):
                badge = self.badge(place)
                sentences.setdefault(badge.sentence, []).append(badge)
        return sentences

    def of_metric(self, name: str) -> list[Badge]:
        """Badges of the claims that speak of a number of ``metrics.json``."""
        return [self.badge(place) for place in self._places.get(("", name), ())]

    def badge(self, place: int) -> Badge:
        """The badge of the claim at this place."""
        outcome = self.outcomes[place]
        return Badge(outcome.holds, sentence=outcome.sentence, remark=outcome.remark, anchor=f"claim-{place + 1}")

    @cached_property
    def _places(self) -> dict[tuple[str, str], list[int]]:
        """Places of claims by the table and column that they speak of; for a name in ``metrics.json``, '' and name."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, verdict in enumerate(self.verdicts):
            for metric in _metrics(verdict):
                key = (metric.table, metric.column if metric.table else metric.text)
                if place not in places.setdefault(key, []):
                    places[key].append(place)
        return places

    def _speaks_of(self, place: int, row: Mapping[str, Any]) -> bool:
        return any(_is_in(metric, row) for metric in _metrics(self.verdicts[place]))


def _metrics(verdict: Verdict) -> list[Metric]:
    """The metric of a claim, and that of its bound."""
    bound = verdict.claim.bound.metric
    return [verdict.claim.metric, *([] if bound is None else [bound])]


def _is_in(metric: Metric, row: Mapping[str, Any]) -> bool:
    """Whether a metric speaks of this row."""
    return all(
        column in row and any(_is_same(row[column], value) for value in values) for column, values in metric.rows
    )


def _is_same(cell: Any, value: str) -> bool:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        try:
            return abs(float(cell) - float(value)) <= TOLERANCE
        except ValueError:
            return False
    return str(cell) == value
