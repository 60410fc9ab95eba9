"""Numbers as a page shows them: a value between chance and 1, its interval, and where it is from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conceptrast.atlas.claims import Badge

HEADINGS = {"unchanged": "unchanged above the layer", "n_pictures": "groups of pictures", "n_flat": "flat maps"}
"""Heads of columns whose names say too little."""

NOTHING = 0.001
"""Chance that is nearer to 0 is about 0; as a share, it is told to a tenth of a per cent."""


@dataclass(frozen=True)
class Measure:
    """One number of an answer, on a scale from 0 to 1.

    Args:
        label: what it was measured on, e.g. the name of a study.
        text: the number in words, e.g. ``10 of 10 classes``.
        value: the number; ``None`` if it is not known.
        low: lower end of its interval; ``None`` if it has none.
        high: upper end.
        by_pair: the lowest and the highest of all pairs of classes, where they differ.
        chances: name and value of what chance gives.
        table: name of the table that has it.
        entry: name of the run's entry that it is of, e.g. a study.
        href: page that says more; empty if there is none.
        badges: verdicts of claims that speak of it.
        reason: why it is not known.
        is_share: whether it is read as a share, in per cent; otherwise as a plain number.
    """

    label: str
    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    by_pair: tuple[float, float] | None = None
    chances: Sequence[tuple[str, float]] = ()
    table: str = ""
    entry: str = ""
    href: str = ""
    badges: Sequence[Badge] = ()
    reason: str = ""
    is_share: bool = True

    @property
    def interval(self) -> str:
        """The interval in words, and how far pairs of classes lie apart; empty if neither is known.

        Example:
            >>> Measure("", "", low=0.25, high=0.75, by_pair=(0.0, 1.0), is_share=False).interval
            '0.25 to 0.75; by pair of classes 0.00 to 1.00'
        """
        certain = self._range(self.low, self.high)
        apart = self._range(*self.by_pair) if self.by_pair else ""
        return "; ".join(filter(None, (certain, apart and f"by pair of classes {apart}")))

    @property
    def chance(self) -> str:
        """What chance gives, in words; empty if it is not known.

        Example:
            >>> Measure("", "", chances=[("a random map", 0.1), ("a blob", 0.25)], is_share=False).chance
            '0.10 (a random map), 0.25 (a blob)'
        """
        return ", ".join(f"{self._about(value)} ({name})" for name, value in self.chances)

    def _range(self, low: float | None, high: float | None) -> str:
        return "" if low is None or high is None else f"{self.in_words(low)} to {self.in_words(high)}"

    def _about(self, value: float) -> str:
        """What chance gives; how small it is does not matter."""
        return "about 0" if not self.is_share and 0 < abs(value) < NOTHING else self.in_words(value)

    def in_words(self, value: float) -> str:
        """A value on the scale of this number."""
        return share(value) if self.is_share else decimal(value)


def known(value: Any) -> float | None:
    """A number of a table; ``None`` where the cell is empty or holds none.

    Example:
        >>> known(0.5), known(float("nan")), known("none")
        (0.5, None, None)
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def share(value: float | None) -> str:
    """A share in per cent; no line breaks before the sign.

    Example:
        >>> share(0.964), share(0.004), share(0.0001), share(None)
        ('96\xa0%', '0.4\xa0%', 'below 0.1\xa0%', '–')
    """
    if value is None:
        return "–"
    percent = 100 * value
    if 0 < percent < 0.05:
        return "below 0.1\N{NO-BREAK SPACE}%"
    return f"{percent:.1f}\N{NO-BREAK SPACE}%" if 0 < abs(percent) < 0.95 else f"{percent:.0f}\N{NO-BREAK SPACE}%"


def decimal(value: Any, digits: int = 2) -> str:
    """A number with so many decimals, one more where these would show nothing, and then only how small it is.

    No line breaks after the sign.

    Example:
        >>> decimal(0.9836), decimal(0.0042), decimal(0.0000012), decimal(-0.0000012), decimal(None)
        ('0.98', '0.004', '<\xa00.001', '>\xa0-0.001', '–')
    """
    number = known(value)
    if number is None:
        return "–"
    if number == 0 or abs(number) >= 0.5 * 10**-digits:
        return f"{number:.{digits}f}"
    smallest = 10 ** -(digits + 1)
    if abs(number) >= smallest:
        return f"{number:.{digits + 1}f}"
    return f"<\N{NO-BREAK SPACE}{smallest:g}" if number > 0 else f">\N{NO-BREAK SPACE}-{smallest:g}"


def decimals(values: Sequence[Any]) -> int:
    """How many decimals tell some numbers apart: two digits of the largest, and one to six decimals.

    Example:
        >>> decimals([5.31, 4.2, 6.1]), decimals([0.13, 0.09, None]), decimals([0.003, -0.002])
        (1, 2, 4)
    """
    largest = max((abs(number) for number in map(known, values) if number is not None), default=0.0)
    return 1 if largest == 0 else min(max(1 - math.floor(math.log10(largest)), 1), 6)


def equals(value: Any) -> str:
    """What a probability is, after its name.

    Example:
        >>> f"p {equals(0.9836)}", f"p {equals(0.0000012)}"
        ('p =\xa00.98', 'p <\xa00.001')
    """
    number = decimal(value)
    return number if number.startswith(("<", ">")) else f"=\N{NO-BREAK SPACE}{number}"


def has_numbers(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether a column of a table has numbers and no words: numbers stand at its right edge.

    Example:
        >>> has_numbers([{"p": "", "ok": True}, {"p": 0.5, "ok": False}], "p"), has_numbers([{"ok": True}], "ok")
        (True, False)
    """
    cells = [row[column] for row in rows if cell(row[column])]
    return bool(cells) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in cells)


def heading(column: str) -> str:
    """The head of a table's column in words.

    Example:
        >>> heading("n_images"), heading("unchanged")
        ('n images', 'unchanged above the layer')
    """
    return HEADINGS.get(column, column.replace("_", " "))


def empty_in(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column of a table has no cell that says anything.

    Example:
        >>> empty_in("reason", [{"reason": float("nan")}, {"reason": ""}]), empty_in("p", [{"p": 0.0}])
        (True, False)
    """
    return not any(cell(row[column]) for row in rows)


def same_in_all(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a table of three rows or more has the same word or whole number in every row of a column.

    A column that a claim speaks of stays in the table, and so do measured numbers, beside their intervals.

    Example:
        >>> same_in_all("study", [{"study": "a"}] * 3), same_in_all("study", [{"study": "a"}] * 2)
        (True, False)
        >>> same_in_all("low", [{"low": 0.0}] * 3)
        False
    """
    claimed = any(row.get("_badges", {}).get(column) for row in rows)
    values = {row[column] for row in rows}
    return len(rows) > 2 and not claimed and len(values) == 1 and not isinstance(values.pop(), float)


def counts_from_zero(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether a table has a column of numbers that begin with 0.

    Example:
        >>> counts_from_zero([{"component": 0}], "component"), counts_from_zero([{"component": 1}], "component")
        (True, False)
    """
    return any(row.get(column) == 0 for row in rows)


def cell(value: Any) -> str:
    """A cell of a table as text: four digits of a number, nothing for an empty cell.

    Example:
        >>> cell(0.123456), cell(12), cell(float("nan")), cell("3+7"), cell(True)
        ('0.1235', '12', '', '3+7', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)
