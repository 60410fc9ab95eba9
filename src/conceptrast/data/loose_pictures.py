"""Pictures without labels: one picture, a folder of any nesting, a list of files, or pictures that are open already.

``Study`` and the command line use them. The configuration has no such kind, because the workflow's studies need labels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import TABLE_TYPES, Dataset, Index
from conceptrast.data.decoding import to_rgb
from conceptrast.data.hashes import digest, folder_identity
from conceptrast.data.picture_files import SUFFIXES, Listed, PictureFiles, pictures_below

LOGGER = logging.getLogger("conceptrast")
AnyPictures = str | Path | Image.Image | Sequence[str | Path] | Sequence[Image.Image] | tuple[Dataset, pd.DataFrame]
UNLABELLED = "unlabelled"
"""The label's name for pictures that have no label."""


class LooseFiles(PictureFiles):
    """Picture files below ``root``: all of them, or those of ``paths`` (relative to ``root``, or absolute)."""

    labelled = False

    def __init__(self, root: Path | str, paths: Sequence[str] | None = None) -> None:
        self.root = Path(root)
        self.paths = paths
        self.seed = 0

    @property
    def class_names(self) -> list[str]:
        """One name for all."""
        return [UNLABELLED]

    def listed(self) -> list[Listed]:
        """All picture files; none is opened."""
        if self.paths is not None:
            return [Listed(path, 0) for path in self.paths]
        return [Listed(path, 0, refused=refused) for path, refused in pictures_below(self.root)]

    def missing(self) -> str | None:
        """Says that the folder is missing."""
        return None if self.root.is_dir() else f"folder {self.root} of pictures does not exist"

    def fingerprint(self) -> str:
        """Hash of what the folder holds, or of the paths."""
        return digest("loose", folder_identity(self.root) if self.paths is None else list(self.paths))


class OpenPictures(Dataset):
    """Pictures in memory, of any mode.

    Raises:
        DataError: a picture has no pixels.

    Example:
        >>> dataset = OpenPictures([Image.new("L", (2, 2), 9)])
        >>> dataset.picture(next(dataset.build_index().table.itertuples())).getpixel((0, 0))
        (9, 9, 9)
    """

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        self.pictures = list(pictures)
        self.seed = 0
        for number, picture in enumerate(self.pictures):
            if not picture.width * picture.height:
                raise DataError(f"picture {number} has no pixels: it is {picture.width}×{picture.height}")

    @property
    def class_names(self) -> list[str]:
        """One name for all."""
        return [UNLABELLED]

    def build_index(self, workers: int = 0) -> Index:  # noqa: ARG002 - nothing is left to decode
        """One row per picture, in the order given."""
        numbers = range(len(self.pictures))
        columns: dict[str, Any] = {"image": numbers, "path": [f"picture:{number}" for number in numbers]}
        table = pd.DataFrame({**columns, "label": 0, "label_name": UNLABELLED, "split": "validation"})
        return Index(table.astype(TABLE_TYPES))

    def picture(self, row: Any) -> Image.Image:
        """The picture as RGB."""
        return to_rgb(self.pictures[row.image])

    def missing(self) -> str | None:
        """``None``: the pictures are in memory."""
        return None

    def fingerprint(self) -> str:
        """Hash of the pixels."""
        return digest("open", *(picture.tobytes().hex() for picture in self.pictures))


def as_dataset(images: AnyPictures) -> tuple[Dataset, pd.DataFrame]:
    """A dataset and the table of its usable pictures, from whatever a user has.

    Args:
        images: one picture (a file, or a ``PIL`` image), a folder (any nesting), a list of files or of ``PIL`` images,
            or a dataset and rows of its index. A path is one picture if it is a file, or if nothing is there and its
            name ends like a picture's.

    Returns:
        The dataset, and its rows that can be used: image, path, label, label_name, split. If the pictures have no
        labels, label_name is :data:`UNLABELLED`.

    Raises:
        DataError: the folder does not exist, or no picture can be used. If only some files cannot be read, a warning
            is logged and they are left out.

    Example:
        >>> dataset, table = as_dataset(Image.new("L", (2, 2), 9))
        >>> table["path"].tolist(), table["label_name"].tolist()
        (['picture:0'], ['unlabelled'])
    """
    if isinstance(images, tuple) and len(images) == 2 and isinstance(images[0], Dataset):
        dataset, table = images
        if len(table) == 0:
            raise DataError("the table of pictures has no rows")
        return dataset, table
    dataset = _open(images)
    index = dataset.build_index()
    first = "; ".join(f"{row.path}: {row.reason}" for row in index.rejected.head(3).itertuples())
    if index.table.empty:
        raise DataError(f"none of {len(index.rejected)} pictures can be used; first: {first}")
    if len(index.rejected):
        what = "1 picture" if len(index.rejected) == 1 else f"{len(index.rejected)} pictures"
        LOGGER.warning("%s cannot be used; left out: %s", what, first)
    return dataset, index.table


def _open(images: Any) -> Dataset:
    if isinstance(images, Image.Image):
        return OpenPictures([images])
    if isinstance(images, str | Path):
        return LooseFiles(Path(), [str(images)]) if _is_picture(Path(images)) else LooseFiles(images)
    if not isinstance(images, Iterable):
        raise DataError(f"pictures are a folder, a list of files or a list of PIL images; got {type(images).__name__}")
    items = list(images)
    if not items:
        raise DataError("the list of pictures is empty")
    if all(isinstance(item, Image.Image) for item in items):
        return OpenPictures(items)
    if all(isinstance(item, str | Path) for item in items):
        return LooseFiles(Path(), [str(item) for item in items])
    kinds = sorted({type(item).__name__ for item in items})
    raise DataError(f"pictures are a folder, a list of files or a list of PIL images; got a list of {', '.join(kinds)}")


def _is_picture(path: Path) -> bool:
    """Whether a path is one picture, not a folder. If nothing is there, its name decides."""
    return path.is_file() or (path.suffix.lower() in SUFFIXES and not path.is_dir())
