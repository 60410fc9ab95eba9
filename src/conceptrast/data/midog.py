"""Cells of the MIDOG challenges: tiles of large TIFFs around the cells that an annotation file lists.

MIDOG 2021, 2022 and ++ come as TIFFs of some 7000×5000 pixels beside one JSON file laid out like COCO's: ``images``
(id, file_name, width, height), ``categories`` (id, name: mitotic figure, hard negative) and ``annotations`` (image_id,
category_id, bbox). One thing is not COCO's: a ``bbox`` is two corners, ``[x1, y1, x2, y2]``, 50 pixels apart, and not
corner, width and height.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.errors import DataError, unknown_name
from conceptrast.base.progress import progress
from conceptrast.data.dataset import TABLE_TYPES, Dataset, Index, digest, empty_table, no_rejections
from conceptrast.data.options import PathOption, as_count, as_path, as_share, wrong
from conceptrast.data.picture_files import file_identity, folder_identity
from conceptrast.data.text_files import read_text
from conceptrast.data.tiff_regions import read_region, tiff_size

_SPLIT = 81
"""Stream of the draw of validation slides."""

_KEYS = {
    "images": ("id", "file_name"),
    "categories": ("id", "name"),
    "annotations": ("image_id", "category_id", "bbox"),
}
_FRAGMENT = re.compile(r"(?P<file>.+)#xywh=(?P<left>\d+),(?P<top>\d+),(?P<width>\d+),(?P<height>\d+)")


class Cell(NamedTuple):
    """One annotation.

    Attributes:
        file: its slide, by path relative to the root.
        said: height and width of the slide by the file of annotations, if it says them.
        category: id of its category.
        box: corners in pixels of the slide.
        number: its id.
        refused: why it cannot be used at all.
    """

    file: str
    said: tuple[int, int] | None
    category: Any
    box: Any
    number: Any
    refused: str | None = None


class Midog(Dataset):
    """A tile around every annotated cell; the class is the annotation's category.

    A tile is centred on the annotation's box, and moved inside the image where it would stick out. All cells of a
    slide are in the same split. In the index, a tile's path is ``<file>#xywh=<left>,<top>,<width>,<height>`` in pixels
    of the slide. What is rejected, cell by cell: boxes whose centre lies outside the image or that are no boxes,
    annotations of an image or category that does not exist, images whose name leads out of ``root``, that are smaller
    than a tile or of another size than the file of annotations says, and images that cannot be read.

    Args:
        root: folder of the TIFFs, or of ``images/`` with the TIFFs.
        annotations: name of the JSON file in ``root``; ``MIDOG++.json`` for MIDOG++.
        tile: side of a tile in pixels.
        validation: share of the slides, 0 to 1, whose cells are predicted and explained; those of the others are for
            training. Slides without a cell that can be used do not count. Of two slides or more each side gets one at
            least, unless the share is 0 or 1.
        seed: which slides ``validation`` chooses.

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
        slides = self._slides()
        tiles = dict(zip(slides, self._tiles(slides, workers), strict=True))
        splits = self._splits([file for file, found in tiles.items() if any(reason is None for _, reason in found)])
        labels = {key: label for label, key in enumerate(self._categories)}
        kept: list[dict[str, Any]] = []
        rejected: list[dict[str, str]] = []
        for cells, found in zip(slides.values(), tiles.values(), strict=True):
            for cell, (path, reason) in zip(cells, found, strict=True):
                if reason is not None:
                    rejected.append({"path": f"{cell.file}#annotation={cell.number}", "reason": reason})
                    continue
                label = labels[cell.category]
                row = {"image": len(kept), "path": path, "label": label, "split": splits[cell.file]}
                kept.append({**row, "label_name": self._categories[cell.category]})
        table = pd.concat([empty_table(TABLE_TYPES), pd.DataFrame(kept)]) if kept else empty_table(TABLE_TYPES)
        return Index(
            table=table.astype(TABLE_TYPES).reset_index(drop=True),
            rejected=pd.DataFrame(rejected) if rejected else no_rejections(),
        )

    def picture(self, row: Any) -> Image.Image:
        """Read the tile of one row."""
        found = _FRAGMENT.fullmatch(row.path)
        if found is None:
            raise DataError(f"{row.path} is no tile: expected <file>#xywh=<left>,<top>,<width>,<height>")
        window = {key: int(found[key]) for key in ("top", "left", "height", "width")}
        try:
            return Image.fromarray(read_region(self.root / found["file"], **window))
        except DataError as error:
            raise DataError(f"{self.root / row.path}: {error}") from error

    def missing(self) -> str | None:
        """The folder, the annotations or the TIFFs that are not there."""
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
    def _content(self) -> dict[str, list[dict[str, Any]]]:
        """Images, categories and annotations."""
        if lacking := self.missing():
            raise DataError(lacking)
        try:
            content = json.loads(read_text(self.file))
        except ValueError as error:
            raise DataError(f"{self.file} is no valid JSON: {error}") from error
        for key, needed in _KEYS.items():
            entries = content.get(key) if isinstance(content, dict) else None
            if not isinstance(entries, list):
                raise DataError(f"{self.file} needs a list {key!r}; it has to hold {', '.join(_KEYS)}")
            for number, entry in enumerate(entries):
                absent = [each for each in needed if not isinstance(entry, dict) or each not in entry]
                if absent:
                    raise DataError(f"{self.file}: {key}[{number}] lacks {', '.join(map(repr, absent))}")
                wrong_ids = [each for each in needed if each.endswith("id") and not isinstance(entry[each], int)]
                if wrong_ids:
                    got = entry[wrong_ids[0]]
                    raise DataError(f"{self.file}: {key}[{number}]: {wrong_ids[0]} is a whole number; got {got!r}")
        return content

    @cached_property
    def _categories(self) -> dict[Any, str]:
        """Name of every category by id."""
        found = {entry["id"]: str(entry["name"]) for entry in self._content["categories"]}
        return dict(sorted(found.items()))

    def _slides(self) -> dict[str, list[Cell]]:
        """Cells by the file of their slide, in the order of the files' names."""
        images = {entry["id"]: entry for entry in self._content["images"]}
        folder = "images/" if (self.root / "images").is_dir() else ""
        slides: dict[str, list[Cell]] = {}
        for number, entry in enumerate(self._content["annotations"]):
            own = entry["category_id"], entry["bbox"], entry.get("id", number)
            image = images.get(entry["image_id"])
            if image is None:
                unknown = f"image_id {entry['image_id']}"
                cell = Cell(unknown, None, *own, refused=f"'images' has no id {entry['image_id']}")
            else:
                size = (image["height"], image["width"]) if {"height", "width"} <= set(image) else None
                cell = self._cell(str(image["file_name"]), folder, size, own)
            slides.setdefault(cell.file, []).append(cell)
        return dict(sorted(slides.items()))

    def _cell(self, name: str, folder: str, size: tuple[int, int] | None, own: tuple[int, Any, int]) -> Cell:
        """An annotation of the slide ``name``, which is looked for in the root and in its ``folder``."""
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts:
            return Cell(name, size, *own, refused=f"file_name {name!r} leaves the folder; expected a path inside root")
        return Cell(name if (self.root / name).is_file() else folder + name, size, *own)

    def _splits(self, names: list[str]) -> dict[str, str]:
        """Split of every slide of which a cell can be used."""
        count = round(self.validation * len(names))
        if 0 < self.validation < 1 and len(names) > 1:
            count = min(max(count, 1), len(names) - 1)
        order = np.random.default_rng([self.seed, _SPLIT]).permutation(len(names))
        chosen = {names[number] for number in order[:count]}
        return {name: "validation" if name in chosen else "train" for name in names}

    def _tiles(self, slides: dict[str, list[Cell]], workers: int) -> Iterator[list[tuple[str, str | None]]]:
        """Path of the tile of every cell, or the reason why there is none, slide by slide."""
        known = frozenset(self._categories)
        jobs = [(self.root, cells, known, self.tile) for cells in slides.values()]
        with ProcessPoolExecutor(max(workers, 1)) as pool:
            found = pool.map(_tiles_of, jobs) if workers else map(_tiles_of, jobs)
            yield from progress(found, f"checking {self.root}", len(jobs), "slides")


def tile_at(box: Any, size: tuple[int, int], tile: int) -> tuple[int, int]:
    """Top and left of the square around the centre of a box, moved inside the image.

    Args:
        box: corners ``[x1, y1, x2, y2]`` in pixels.
        size: height and width of the image.
        tile: side of the square.

    Raises:
        DataError: the box is none, or its centre lies outside the image, or the image is smaller than the square.

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
    x, y = (left + right) / 2, (top + bottom) / 2
    if not (0 <= x < width and 0 <= y < height):
        raise DataError(f"bbox {list(box)} lies outside the image of {width}×{height} pixels")
    return _inside(y - tile / 2, height - tile), _inside(x - tile / 2, width - tile)


def _inside(start: float, last: int) -> int:
    return min(max(math.floor(start), 0), last)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _tiles_of(job: tuple[Path, list[Cell], frozenset[Any], int]) -> list[tuple[str, str | None]]:
    """Path of the tile of every cell of a slide, with the reason why it cannot be used."""
    root, cells, categories, tile = job
    if cells[0].refused is not None:
        return [("", cells[0].refused)] * len(cells)
    try:
        size = tiff_size(root / cells[0].file)
        if cells[0].said not in (None, size):
            height, width = cells[0].said or size
            raise DataError(f"it has {size[1]}×{size[0]} pixels, and the annotations say {width}×{height}")
    except DataError as error:
        return [("", str(error))] * len(cells)
    return [_tile_of(root, cell, size, categories, tile) for cell in cells]


def _tile_of(
    root: Path, cell: Cell, size: tuple[int, int], categories: frozenset[Any], tile: int
) -> tuple[str, str | None]:
    if cell.category not in categories:
        return "", unknown_name("category_id", cell.category, sorted(categories))
    try:
        top, left = tile_at(cell.box, size, tile)
        read_region(root / cell.file, top, left, tile, tile)
    except DataError as error:
        return "", str(error)
    return f"{cell.file}#xywh={left},{top},{tile},{tile}", None
