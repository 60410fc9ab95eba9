"""Metrics of a run beside committed ones, or beside another run's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from conceptrast.plan.analyses import headlines, interval_columns, known_tables
from conceptrast.tables import headline_intervals
from conceptrast.verification.results import Results

DIGITS = 1e-6
"""Metrics whose relative difference is at most this are the same: processors differ in the last digits."""

KINDS = ("missing", "new", "outside", "differs", "within", "same")
"""How a metric can compare; ``differs`` is a metric without an interval that is not the same."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """One metric in two results.

    Args:
        metric: its name.
        kind: one of ``KINDS``.
        before: the number to compare with; ``None`` if it is not there.
        interval: the ends of that number's interval; ``None`` if it has none.
        now: this run's number; ``None`` if it is not there.
    """

    metric: str
    kind: str
    before: float | None
    interval: Interval | None
    now: float | None


def intervals_of(results: Results) -> dict[str, Interval]:
    """Intervals of the metrics of a run, from its tables and from metrics named ``…_low`` and ``…_high``."""
    tables = [name for name in known_tables() if name in results.tables]
    intervals = headline_intervals(results.tables, headlines(tables), interval_columns(tables))
    for name in results.metrics:
        ends = (results.metrics.get(f"{name}_low"), results.metrics.get(f"{name}_high"))
        if ends[0] is not None and ends[1] is not None:
            intervals.setdefault(name, (ends[0], ends[1]))
    return intervals


def comparisons_of(before: Results, now: Results) -> list[Comparison]:
    """All metrics of two results, by name.

    Example:
        >>> before = Results("HEAD", {"a/accuracy": 0.9, "a/accuracy_low": 0.8, "a/accuracy_high": 1.0}, {})
        >>> now = Results("results/a", {"a/accuracy": 0.85, "a/accuracy_low": 0.8, "a/accuracy_high": 0.9}, {})
        >>> [(comparison.metric, comparison.kind) for comparison in comparisons_of(before, now)]
        [('a/accuracy', 'within'), ('a/accuracy_high', 'differs'), ('a/accuracy_low', 'same')]
    """
    intervals = intervals_of(before)
    return [
        _comparison(name, before.metrics.get(name), intervals.get(name), now.metrics.get(name))
        for name in sorted({*before.metrics, *now.metrics})
    ]


def _comparison(name: str, before: float | None, interval: Interval | None, now: float | None) -> Comparison:
    if before is None:
        kind = "new"
    elif now is None:
        kind = "missing"
    elif math.isclose(before, now, rel_tol=DIGITS, abs_tol=1e-9):
        kind = "same"
    elif interval is None:
        kind = "differs"
    else:
        kind = "within" if interval[0] <= now <= interval[1] else "outside"
    return Comparison(name, kind, before=before, interval=interval, now=now)
