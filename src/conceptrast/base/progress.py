"""Progress of long loops as log lines, so that it shows in a terminal and in a log file alike."""

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
        what: what is being done, the head of each line.
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
            LOGGER.info("%s: %d of %d %s, about %.0f s left", what, done, total, unit, left)
            last = now
    LOGGER.info("%s: %d %s in %.1f s", what, done, unit, time.monotonic() - start)
