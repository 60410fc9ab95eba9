"""The file of annotations of a MIDOG challenge: which cells lie where on which slide.

It is one JSON file laid out like COCO's: ``images`` (id, file_name, width, height), ``categories`` (id, name: mitotic
figure, hard negative) and ``annotations`` (image_id, category_id, bbox). One thing differs from COCO: a ``bbox`` is two
corners, ``[x1, y1, x2, y2]``, 50 pixels apart; in COCO it is a corner, a width and a height.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from conceptrast.base.errors import DataError
from conceptrast.data.text_files import read_text

_KEYS = {
    "images": ("id", "file_name"),
    "categories": ("id", "name"),
    "annotations": ("image_id", "category_id", "bbox"),
}

Annotations = dict[str, list[dict[str, Any]]]
"""Images, categories and annotations, as the file holds them."""


class Cell(NamedTuple):
    """One annotation.

    Attributes:
        file: path of its slide, relative to the root.
        stated_size: height and width of the slide, if the file of annotations states them.
        category: id of its category.
        box: corners in pixels of the slide.
        number: its id.
        refused: why it cannot be used at all.
    """

    file: str
    stated_size: tuple[int, int] | None
    category: Any
    box: Any
    number: Any
    refused: str | None = None


def read_annotations(file: Path) -> Annotations:
    """Images, categories and annotations.

    Raises:
        DataError: the file is not JSON, or a list or an entry lacks something; the message names what is missing.
    """
    try:
        content = json.loads(read_text(file))
    except ValueError as error:
        raise DataError(f"{file} is no valid JSON: {error}") from error
    for key, needed in _KEYS.items():
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise DataError(f"{file} needs a list {key!r}; it has to hold {', '.join(_KEYS)}")
        for number, entry in enumerate(entries):
            _check_entry(entry, needed, f"{file}: {key}[{number}]")
    return content


def _check_entry(entry: Any, needed: tuple[str, ...], where: str) -> None:
    absent = [name for name in needed if not isinstance(entry, dict) or name not in entry]
    if absent:
        raise DataError(f"{where} lacks {', '.join(map(repr, absent))}")
    wrong_ids = [name for name in needed if name.endswith("id") and not isinstance(entry[name], int)]
    if wrong_ids:
        raise DataError(f"{where}: {wrong_ids[0]} is a whole number; got {entry[wrong_ids[0]]!r}")


def category_names(annotations: Annotations) -> dict[Any, str]:
    """Names of the categories by id, in the order of the ids."""
    names = {entry["id"]: str(entry["name"]) for entry in annotations["categories"]}
    return dict(sorted(names.items()))


def cells_by_slide(annotations: Annotations, root: Path) -> dict[str, list[Cell]]:
    """Cells by the file of their slide, in the order of the files' names.

    Args:
        annotations: as :func:`read_annotations` returns them.
        root: folder of the slides, or of ``images/`` with the slides.
    """
    images = {entry["id"]: entry for entry in annotations["images"]}
    slides: dict[str, list[Cell]] = {}
    for position, entry in enumerate(annotations["annotations"]):
        image = images.get(entry["image_id"])
        cell = _cell(entry, entry.get("id", position), image, root)
        slides.setdefault(cell.file, []).append(cell)
    return dict(sorted(slides.items()))


def _cell(entry: dict[str, Any], number: Any, image: dict[str, Any] | None, root: Path) -> Cell:
    """The cell of one entry; ``image`` is the slide's own entry, if there is one."""
    # The slide's file, or the reason why the slide cannot be used.
    file = f"image_id {entry['image_id']}"
    stated_size = None
    refused: str | None = None
    if image is None:
        refused = f"'images' has no id {entry['image_id']}"
    else:
        file, refused = _slide_file(str(image["file_name"]), root)
        if {"height", "width"} <= set(image):
            stated_size = (image["height"], image["width"])
    return Cell(
        file=file,
        stated_size=stated_size,
        category=entry["category_id"],
        box=entry["bbox"],
        number=number,
        refused=refused,
    )


def _slide_file(name: str, root: Path) -> tuple[str, str | None]:
    """A slide's path below the root or its folder ``images``, and the reason if the slide cannot be used."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts:
        return name, f"file_name {name!r} leaves the folder; expected a path inside root"
    folder = "images/" if (root / "images").is_dir() else ""
    try:
        return (name if (root / name).is_file() else folder + name), None
    except OSError as error:  # such a name is longer than the system allows
        return name[:60], f"file_name {name[:60]!r}…: {error.strerror}"
