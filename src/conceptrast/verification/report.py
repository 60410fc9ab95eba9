"""What ``conceptrast verify`` prints: claim by claim, metric by metric, and one line that sums up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from conceptrast.base.names import printable
from conceptrast.verification.claims import Claim, Verdict
from conceptrast.verification.comparison import KINDS, Comparison

LONGEST_SENTENCE = 110
SAMPLE = ["sentence", "metric", "relation", "bound"]
WORDS = {
    "missing": "missing",
    "new": "new",
    "outside": "outside",
    "differs": "differs",
    "within": "within the interval",
    "same": "same",
}
SUMMARY = {
    "same": "same",
    "within": "within their intervals",
    "outside": "outside",
    "differs": "differ and have no interval",
    "missing": "missing",
    "new": "new",
}


@dataclass(frozen=True)
class Outcome:
    """What came of one claim, in words.

    Args:
        sentence: the sentence of the document.
        holds: whether the claim holds.
        remark: by how much it holds or fails, or why it could not be checked.
        numbers: the number and its bound, e.g. ``0.95 >= 0.9``; empty if it could not be checked.
        source: where the numbers are from, e.g. ``lenet/accuracy``.
        table: the table that has the number; empty if ``metrics.json`` has it.
    """

    sentence: str
    holds: bool
    remark: str
    numbers: str
    source: str
    table: str


def outcome_of(verdict: Verdict) -> Outcome:
    """The outcome of a claim about one run."""
    claim = verdict.claim
    return Outcome(
        sentence=claim.sentence,
        holds=verdict.holds,
        remark=_remark(verdict.holds, verdict.margin, claim.relation)
        if not verdict.reason
        else f"NOT CHECKED: {verdict.reason}",
        numbers="" if verdict.reason else f"{verdict.value:.4g} {claim.relation} {verdict.limit:.4g}",
        source=_source(claim.metric.text, claim.relation, claim.bound.text, is_number=claim.bound.metric is None),
        table=claim.metric.table,
    )


def outcomes_over_seeds(table: pd.DataFrame, claims: Sequence[Claim]) -> list[Outcome]:
    """Outcomes of the claims about a run that was repeated with several seeds.

    Args:
        table: the run's ``tables/claims.csv``, see :func:`~conceptrast.verification.repetition.claims_by_seed`.
        claims: the claims of today. What the table does not have, or has and should not, is an outcome that fails.
    """
    outcomes = []
    for run, rows in table.groupby("run", sort=False):
        checked = dict(iter(rows.groupby(SAMPLE, sort=False)))
        for claim in claims:
            if claim.run == run:
                key = (claim.sentence, claim.metric.text, claim.relation, claim.bound.text)
                outcomes.append(_over_seeds(claim, checked.get(key)))
    return outcomes


def _over_seeds(claim: Claim, rows: pd.DataFrame | None) -> Outcome:
    """The outcome of one claim at all seeds."""
    source = _source(claim.metric.text, claim.relation, claim.bound.text, is_number=claim.bound.metric is None)
    if rows is None:
        remark = "NOT CHECKED: it is newer than this run"
        return Outcome(claim.sentence, holds=False, remark=remark, numbers="", source=source, table=claim.metric.table)
    failed = rows[~rows["holds"].astype(bool)]
    holds = failed.empty
    seeds = f"at all {len(rows)} seeds" if holds else "at seed " + ", ".join(map(str, failed["seed"]))
    reasons = failed["reason"].dropna()
    return Outcome(
        sentence=claim.sentence,
        holds=holds,
        remark=f"NOT CHECKED {seeds}: {reasons.iloc[0]}"
        if len(reasons)
        else _remark(holds, rows["margin"].min(), claim.relation, f" {seeds}"),
        numbers=f"{_range(rows['value'])} {claim.relation} {_range(rows['limit'])}",
        source=source,
        table=claim.metric.table,
    )


def _remark(holds: bool, margin: float, relation: str, where: str = "") -> str:
    """By how much a claim holds or fails; at several seeds, where, and the smallest margin."""
    verdict = "holds" if holds else "FAILS"
    if holds and relation == "==":
        return f"{verdict}{where}"
    if abs(margin) > 1e-9:
        return f"{verdict} by {abs(margin):.2g}{where}"
    return f"{verdict}{where}, at its bound{' in one or more' if where else ''}"


def _source(metric: str, relation: str, bound: str, is_number: bool) -> str:
    return metric if is_number else f"{metric} {relation} {bound}"


def _range(values: pd.Series) -> str:
    ends = dict.fromkeys(f"{value:.4g}" for value in (values.min(), values.max()))
    return " to ".join(ends)


def claim_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Lines for claims: each sentence once, and a line for each of its claims."""
    outcomes = list(outcomes)
    checked = [outcome for outcome in outcomes if outcome.numbers]
    remarks = max((len(outcome.remark) for outcome in checked), default=0)
    numbers = max((len(outcome.numbers) for outcome in checked), default=0)
    lines = []
    for sentence, claims in groupby(outcomes, key=lambda outcome: outcome.sentence):
        lines.append(printable(f'"{_shortened(sentence)}"'))
        for claim in claims:
            beginning = f"{claim.remark:<{remarks}}   {claim.numbers:<{numbers}}" if claim.numbers else claim.remark
            lines.append(printable(f"    {beginning}   {claim.source}"))
    return lines


def failure_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """One line for each claim that fails."""
    return [
        printable(
            f'{outcome.remark}: "{_shortened(outcome.sentence)}" ({outcome.numbers or "no number"}, {outcome.source})'
        )
        for outcome in outcomes
        if not outcome.holds
    ]


def _shortened(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST_SENTENCE else sentence[: LONGEST_SENTENCE - 1].rstrip() + "…"


def comparison_lines(comparisons: Iterable[Comparison]) -> list[str]:
    """Lines for metrics that are not the same: what must be looked at comes first."""
    different = [comparison for comparison in comparisons if comparison.kind != "same"]
    different.sort(key=lambda comparison: KINDS.index(comparison.kind))
    cells = [
        (WORDS[comparison.kind], _before(comparison), "now", _number(comparison.now), comparison.metric)
        for comparison in different
    ]
    widths = [max((len(row[place]) for row in cells), default=0) for place in range(4)]
    return [
        "    "
        + "   ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), printable(row[4])])
        for row in cells
    ]


def _before(comparison: Comparison) -> str:
    interval = comparison.interval
    ends = "" if interval is None else f" ({interval[0]:.4g} to {interval[1]:.4g})"
    return _number(comparison.before) + ends


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def summary_of_claims(run: str, outcomes: Sequence[Outcome]) -> str:
    """How many claims about a run hold, in a few words.

    Example:
        >>> summary_of_claims("mine", [])
        'docs/claims.csv makes no claim about mine'
    """
    if not outcomes:
        return printable(f"docs/claims.csv makes no claim about {run}")
    holding = sum(outcome.holds for outcome in outcomes)
    failing = f", {len(outcomes) - holding} FAIL" if holding < len(outcomes) else ""
    return printable(f"{holding} of {len(outcomes)} claims about {run} hold{failing}")


def summary_of_metrics(comparisons: Sequence[Comparison], against: str) -> str:
    """How many metrics are the same as those of ``against``, and how many are not."""
    counts = Counter(comparison.kind for comparison in comparisons)
    parts = [f"{counts[kind]} {words}" for kind, words in SUMMARY.items() if counts[kind]]
    return printable(f"{len(comparisons)} metrics beside {against}: {', '.join(parts) or 'none'}")
