"""A folder of figures, and the manifest that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from conceptrast.base.files import write_table
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


def pair_stem(pair: tuple[int, int], names: Sequence[str], between: str) -> str:
    """Name of a file for a pair of classes, without its suffix.

    It has the classes' numbers, because two classes may have the same name, or a name that does not fit a file.

    Example:
        >>> pair_stem((0, 2), ["cat", "dog", "polar bear"], "-not-")
        '0-cat-not-2-polar-bear'
    """
    return between.join(f"{target}-{slug(names[target])}" for target in pair)
