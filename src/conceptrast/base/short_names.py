"""Names of classes, short enough for a figure."""

from __future__ import annotations


def short(name: str, limit: int = 28) -> str:
    """First of the synonyms of a class, cut to ``limit`` characters.

    Example:
        >>> short("tench, Tinca tinca"), short("a very long name of some class", 12)
        ('tench', 'a very long…')
    """
    first = name.split(",")[0].strip()
    return first if len(first) <= limit else first[: limit - 1].rstrip() + "…"
