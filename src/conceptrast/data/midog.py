"""Cells of the MIDOG challenges: tiles of large TIFFs around the cells that a file of annotations lists.

MIDOG 2021, 2022 and ++ come as TIFFs of some 7000×5000 pixels beside one file
(:mod:`~conceptrast.data.midog_annotations`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from conceptrast.base.errors import DataError, unknown_name
from conceptrast.base.progress import progress
from conceptrast.base.streams import Stream, generator
from conceptrast.data.dataset import Dataset, Index
from conceptrast.data.hashes import digest, file_identity, folder_identity
from conceptrast.data.midog_annotations import Annotations, Cell, category_names, cells_by_slide, read_annotations
from conceptrast.data.options import PathOption, as_count, as_path, as_share, wrong
from conceptrast.data.tiff_regions import read_region, tiff_size

_FRAGMENT = re.compile(r"(?P<file>.+)#xywh=(?P<left>\d+),(?P<top>\d+),(?P<width>\d+),(?P<height>\d+)")

Tile = tuple[str, str | None]
"""A tile's path in the index, and the reason if it cannot be used."""


class Midog(Dataset):
    """A tile around every annotated cell; the class is the annotation's category.

    A tile is centred on the annotation's box, and moved inside the image if it would stick out. All cells of a
    slide are in the same split. In the index, a tile's path is ``<file>#xywh=<left>,<top>,<width>,<height>`` in pixels
    of the slide.

    Cells are rejected one by one. A cell is rejected if its box is not valid, if its centre lies outside the image, or
    if its image or category does not exist. All cells of an image are rejected if the image's name leads out of
    ``root``, if it cannot be read, if it is smaller than a tile, or if its size is not what the file of annotations
    says.

    Args:
        root: folder of the TIFFs, or of ``images/`` with the TIFFs.
        annotations: name of the JSON file in ``root``; ``MIDOG++.json`` for MIDOG++.
        tile: side of a tile in pixels.
        validation: share of the slides, 0 to 1, whose cells are predicted and explained; cells of the other slides
            are for training. Slides without a usable cell do not count. If there are at least two slides, each split
            gets at least one, unless the share is 0 or 1.
        seed: seed of the draw of the validation slides.

    Raises:
        ConfigError: an option is not usable.
    """

    def __init__(
        self, root: PathOption, annotations: str = "MIDOG.json", tile: int = 512, validation: float = 0.2, seed: int = 0
    ) -> None:
        self.root = as_path("root", root)
        self.file = self.root / as_path("annotations", annotations)
        if as_count("tile", tile, "pixels") < 1:
            raise wrong("tile", "a number of pixels, 1 or more", tile)
        self.tile = tile
        self.validation = as_share("validation", validation)
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """Names of the categories, in the order of their ids."""
        return list(self._categories.values())

    def build_index(self, workers: int = 0) -> Index:
        """Read every cell's tile once; cells that cannot be used are rejected with the reason."""
        if lacking := self.missing():
            raise DataError(lacking)
        # Slides are looked at one after the other; their cells' tiles have the order of the cells.
        slides = cells_by_slide(self._annotations, self.root)
        tiles = dict(zip(slides, self._tiles(slides, workers), strict=True))
        usable = [file for file, of_slide in tiles.items() if any(reason is None for _, reason in of_slide)]
        splits = self._splits(usable)
        # Each cell gives one row, in the index or in the table of the rejected.
        labels = {key: label for label, key in enumerate(self._categories)}
        kept: list[dict[str, Any]] = []
        rejected: list[dict[str, str]] = []
        for file, cells in slides.items():
            for cell, (path, reason) in zip(cells, tiles[file], strict=True):
                if reason is not None:
                    rejected.append({"path": f"{cell.file}#annotation={cell.number}", "reason": reason})
                    continue
                label = labels[cell.category]
                row = {"image": len(kept), "path": path, "label": label, "split": splits[cell.file]}
                kept.append({**row, "label_name": self._categories[cell.category]})
        return Index.of_rows(kept, rejected)

    def picture(self, row: Any) -> Image.Image:
        """Read the tile of one row."""
        fragment = _FRAGMENT.fullmatch(row.path)
        if fragment is None:
            raise DataError(f"{row.path} is no tile: expected <file>#xywh=<left>,<top>,<width>,<height>")
        window = {key: int(fragment[key]) for key in ("top", "left", "height", "width")}
        try:
            return Image.fromarray(read_region(self.root / fragment["file"], **window))
        except DataError as error:
            raise DataError(f"{self.root / row.path}: {error}") from error

    def missing(self) -> str | None:
        """Says whether the folder, the annotations or the TIFFs are missing."""
        expected = f"expected <root>/{self.file.name} and <root>/*.tiff, or <root>/images/*.tiff"
        if not self.root.is_dir():
            return f"root: the folder {self.root.resolve()} does not exist; {expected}"
        if not self.file.is_file():
            others = ", ".join(sorted(path.name for path in self.root.glob("*.json")))
            there = f"; there is {others}: name it as `annotations`" if others else ""
            return f"annotations: {self.file.resolve()} does not exist; {expected}{there}"
        if not any(True for pattern in ("*.tif*", "images/*.tif*") for _ in self.root.glob(pattern)):
            return f"root: {self.root.resolve()} holds no TIFF; {expected}"
        return None

    def fingerprint(self) -> str:
        """Hash of what the folder and the annotations hold, and of the options."""
        return digest("midog", folder_identity(self.root), file_identity(self.file), *self._options())

    def _options(self) -> tuple[Any, ...]:
        return self.file.name, self.tile, self.validation, self.seed

    @cached_property
    def _annotations(self) -> Annotations:
        if lacking := self.missing():
            raise DataError(lacking)
        return read_annotations(self.file)

    @cached_property
    def _categories(self) -> dict[Any, str]:
        """Name of every category by id."""
        return category_names(self._annotations)

    def _splits(self, names: list[str]) -> dict[str, str]:
        """Split of every slide that has a usable cell."""
        count = round(self.validation * len(names))
        if 0 < self.validation < 1 and len(names) > 1:
            count = min(max(count, 1), len(names) - 1)
        order = generator(Stream.SLIDE_SPLIT, self.seed).permutation(len(names))
        chosen = {names[number] for number in order[:count]}
        return {name: "validation" if name in chosen else "train" for name in names}

    def _tiles(self, slides: dict[str, list[Cell]], workers: int) -> Iterator[list[Tile]]:
        """For each slide, its cells' tiles: their paths, and the reasons why some cannot be used."""
        known = frozenset(self._categories)
        jobs = [(self.root, cells, known, self.tile) for cells in slides.values()]
        with ProcessPoolExecutor(max(workers, 1)) as pool:
            tiles = pool.map(_tiles_of, jobs) if workers else map(_tiles_of, jobs)
            yield from progress(tiles, f"checking {self.root}", len(jobs), "slides")


def tile_at(box: Any, size: tuple[int, int], tile: int) -> tuple[int, int]:
    """Top and left of the square around the centre of a box, moved inside the image.

    Args:
        box: corners ``[x1, y1, x2, y2]`` in pixels.
        size: height and width of the image.
        tile: side of the square.

    Raises:
        DataError: the box is not valid, its centre lies outside the image, or the image is smaller than the square.

    Example:
        >>> tile_at([90, 40, 110, 60], (1000, 2000), 64), tile_at([0, 980, 20, 1000], (1000, 2000), 64)
        ((18, 68), (936, 0))
    """
    height, width = size
    if min(height, width) < tile:
        raise DataError(f"the image of {width}×{height} pixels is smaller than a tile of {tile}")
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(_is_number(value) for value in box):
        raise DataError(f"bbox {box!r} is not four numbers [x1, y1, x2, y2]")
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        raise DataError(f"bbox {list(box)} is empty: its corners [x1, y1, x2, y2] need x1 < x2 and y1 < y2")
    x = (left + right) / 2
    y = (top + bottom) / 2
    if not (0 <= x < width and 0 <= y < height):
        raise DataError(f"bbox {list(box)} lies outside the image of {width}×{height} pixels")
    return _inside(y - tile / 2, height - tile), _inside(x - tile / 2, width - tile)


def _inside(start: float, last: int) -> int:
    return min(max(math.floor(start), 0), last)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _tiles_of(job: tuple[Path, list[Cell], frozenset[Any], int]) -> list[Tile]:
    """Tiles of all cells of a slide: their paths, and the reasons why some cannot be used."""
    root, cells, categories, tile = job
    refused = cells[0].refused
    stated_size = cells[0].stated_size
    if refused is not None:
        return [("", refused)] * len(cells)
    try:
        size = tiff_size(root / cells[0].file)
        if stated_size not in (None, size):
            height, width = stated_size or size
            raise DataError(f"it has {size[1]}×{size[0]} pixels, and the annotations say {width}×{height}")
    except DataError as error:
        return [("", str(error))] * len(cells)
    return [_tile_of(root, cell, size=size, categories=categories, tile=tile) for cell in cells]


def _tile_of(root: Path, cell: Cell, size: tuple[int, int], categories: frozenset[Any], tile: int) -> Tile:
    if cell.category not in categories:
        return "", unknown_name("category_id", cell.category, sorted(categories))
    try:
        top, left = tile_at(cell.box, size, tile)
        read_region(root / cell.file, top=top, left=left, height=tile, width=tile)
    except DataError as error:
        return "", str(error)
    return f"{cell.file}#xywh={left},{top},{tile},{tile}", None
