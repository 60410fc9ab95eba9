"""Names: short enough for a figure, safe in the name of a file, safe on a terminal."""

from __future__ import annotations

import re
import unicodedata

ALL_CLASSES = "all classes"
"""Name of the rows of a table that sum up all classes."""


def short(name: str, limit: int = 28) -> str:
    """First of the synonyms of a class, cut to ``limit`` characters.

    Example:
        >>> short("tench, Tinca tinca"), short("a very long name of some class", 12)
        ('tench', 'a very long…')
    """
    first = name.split(",")[0].strip()
    return first if len(first) <= limit else first[: limit - 1].rstrip() + "…"


def slug(name: str) -> str:
    """A class name as part of a file name.

    Example:
        >>> slug("Bernese mountain dog, (big)"), slug("0+1"), slug("Épagneul breton")
        ('bernese-mountain-dog', '0-1', 'epagneul-breton')
    """
    first = unicodedata.normalize("NFKD", name.split(",")[0]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", first.lower()).strip("-")[:60] or "class"


def file_name(class_index: int, class_name: str) -> str:
    """Name of the file with the figure of a class.

    Example:
        >>> file_name(217, "English springer, English springer spaniel")
        '217-english-springer.png'
    """
    return f"{class_index}-{slug(class_name)}.png"


def printable(text: str) -> str:
    """A text from data as a terminal may print it: characters that control it are escaped.

    Example:
        >>> printable("café \\x1b[2J")
        'café \\\\x1b[2J'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
