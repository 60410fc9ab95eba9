"""Log lines that show how far a long loop is. They work in a terminal and in a log file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
LOGGER = logging.getLogger("conceptrast")


def progress(items: Iterable[Item], what: str, total: int, unit: str, every: float = 10.0) -> Iterator[Item]:
    """Yield ``items`` and log how far the loop is, at most every ``every`` seconds and once at its end.

    Args:
        items: what to loop over.
        what: what is being done; each line starts with it.
        total: number of items.
        unit: what one item is, in the plural.
        every: seconds between two lines.

    Example:
        >>> list(progress("ab", "reading", 2, "letters"))
        ['a', 'b']
    """
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= every and done < total:
            left = (now - start) / done * (total - done)
            LOGGER.info(f"{what}: {done} of {counted(total, unit)}, about {duration(left)} left")
            last = now
    LOGGER.info("%s: %s in %.1f s", what, counted(done, unit), time.monotonic() - start)


def show_progress() -> None:
    """Let progress appear on standard error, unless the program has its own logging.

    The command line and the workflow's steps set logging up themselves; a Python prompt and a notebook do not.

    Example:
        >>> show_progress()
    """
    if not LOGGER.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)


def counted(number: int, plural: str) -> str:
    """A number and its noun; the noun is in the singular if the number is one.

    Args:
        number: how many.
        plural: the noun in the plural; only its first word changes.

    Example:
        >>> counted(1, "batches"), counted(2, "batches"), counted(1, "blocks of pairs"), counted(1, "pictures")
        ('1 batch', '2 batches', '1 block of pairs', '1 picture')
    """
    if number != 1:
        return f"{number} {plural}"
    thing, space, rest = plural.partition(" ")
    singular = thing[:-2] if thing.endswith(("ches", "sses", "xes")) else thing.removesuffix("s")
    return f"1 {singular}{space}{rest}"


def duration(seconds: float) -> str:
    """A duration in words, rounded because it is only an estimate.

    Example:
        >>> duration(3.4), duration(100), duration(600), duration(3 * 3600)
        ('3 s', '100 s', '10 minutes', '3.0 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
