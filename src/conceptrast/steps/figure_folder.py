"""A folder of figures, and the manifest that lists them; the pictures of pages, and their facts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import write_json, write_table
from conceptrast.base.names import slug

CLASSES = ("class", "class_name", "file")
"""Columns of a manifest with a figure for each class."""

PAIRS = ("from_class", "to_class", "file")
"""Columns of a manifest with a figure for each pair of classes."""


class FigureFolder:
    """The folder of a step's figures. It records new figures in a manifest and removes figures of earlier runs.

    Args:
        folder: the folder; it is made if it does not exist.
        columns: columns of the manifest; the last is the name of the file.
        pattern: glob of all names that this step may have used in earlier runs, including unfinished files.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp())
        >>> (place / "cards").mkdir()
        >>> (place / "cards" / "9-old.png").touch()
        >>> figures = FigureFolder(place / "cards", CLASSES, "[0-9]*-*.png")
        >>> figures.add(3, "cat", "3-cat.png").touch()
        >>> figures.finish(place / "cards.csv")
        >>> [path.name for path in figures.folder.iterdir()]
        ['3-cat.png']
        >>> (place / "cards.csv").read_text().split()
        ['class,class_name,file', '3,cat,3-cat.png']
    """

    def __init__(self, folder: Path, columns: Sequence[str], pattern: str) -> None:
        self.folder = folder
        self._columns = list(columns)
        self._pattern = pattern
        self._rows: list[tuple[object, ...]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, *row: object) -> Path:
        """Record one row of the manifest, and return the path for its figure."""
        self._rows.append(row)
        return self.folder / str(row[-1])

    def finish(self, manifest: Path) -> None:
        """Remove the figures of earlier runs and write the manifest."""
        current = {self.folder / str(row[-1]) for row in self._rows}
        for stale in set(self.folder.glob(self._pattern)) - current:
            stale.unlink()
        write_table(pd.DataFrame(self._rows, columns=self._columns), manifest)


class PageFolder:
    """The pictures of pages in the atlas, in an empty folder, and the file that has the facts of all pages.

    Args:
        facts: the file; the folder beside it has its name without the ending.

    Example:
        >>> import tempfile
        >>> pages = PageFolder(Path(tempfile.mkdtemp(), "classes.json"))
        >>> pages.folder.name
        'classes'
        >>> pages.add({"class": 3})
        >>> pages.finish()
    """

    def __init__(self, facts: Path) -> None:
        self.folder = facts.with_suffix("")
        self._file = facts
        self._pages: list[Mapping[str, Any]] = []
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def add(self, facts: Mapping[str, Any]) -> None:
        """Record the facts of one page."""
        self._pages.append(facts)

    def finish(self) -> None:
        """Write the facts of all pages."""
        write_json(self._pages, self._file)


def pair_stem(pair: tuple[int, int], names: Sequence[str], between: str) -> str:
    """Name of a file for a pair of classes, without its suffix.

    It has the classes' numbers, because two classes may have the same name, or a name that does not fit a file.

    Example:
        >>> pair_stem((0, 2), ["cat", "dog", "polar bear"], "-not-")
        '0-cat-not-2-polar-bear'
    """
    return between.join(f"{target}-{slug(names[target])}" for target in pair)
