"""The crop that is pasted into pictures: a box of a picture, with its own size and corner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError, unknown_name
from conceptrast.data.decoding import open_rgb
from conceptrast.data.packaged import packaged_file
from conceptrast.data.photographs import FILES

CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")


@dataclass(frozen=True)
class Crop:
    """The crop that is pasted: a box of a picture, with its own size.

    Args:
        photograph: a photograph that ships with the packages, for example ``astronaut``. Give either this or ``file``.
        file: a picture of your own.
        box: ``(top, left, height, width)`` in pixels of the picture; ``None`` means the whole picture.
        size: ``(height, width)`` in pixels of the model's view, or only the height; ``None`` keeps the size of the box.

    Raises:
        ConfigError: there is no source or there are two, the photograph is unknown, or the box or size is impossible.

    Example:
        >>> Crop(photograph="astronaut", box=(50, 160, 140, 140), size=32).pixels().shape
        (32, 32, 3)
    """

    photograph: str | None = None
    file: str | None = None
    box: tuple[int, int, int, int] | None = None
    size: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.photograph is None) == (self.file is None):
            raise ConfigError("a crop needs either 'photograph' or 'file'")
        if self.photograph is not None and self.photograph not in FILES:
            raise ConfigError(unknown_name("photograph", self.photograph, FILES))
        size = (self.size,) if isinstance(self.size, int) else self.size
        if size is not None and (len(size) > 2 or min(size) < 1):
            raise ConfigError(f"size is {self.size}; it must be a height, or height and width, of at least 1 pixel")
        if self.box is not None and len(self.box) != 4:
            raise ConfigError(f"box is {list(self.box)}; it must be top, left, height and width")

    @property
    def path(self) -> Path:
        """The picture's file."""
        return Path(self.file) if self.file is not None else packaged_file(FILES[str(self.photograph)])

    def pixels(self) -> np.ndarray:
        """The crop, ``[h, w, 3]`` uint8.

        Raises:
            DataError: the picture cannot be read, or the box reaches beyond it.
        """
        try:
            picture = open_rgb(self.path)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error

        # Its box.
        if self.box is not None:
            top, left, height, width = self.box
            inside = 0 <= top <= picture.height - height and 0 <= left <= picture.width - width
            if not inside or min(height, width) < 1:
                raise DataError(
                    f"box [top {top}, left {left}, height {height}, width {width}] is not inside {self.path.name}, "
                    f"which has {picture.height}×{picture.width} pixels"
                )
            picture = picture.crop((left, top, left + width, top + height))

        return resized(picture, self.size)


def resized(picture: Image.Image, size: int | tuple[int, int] | None) -> np.ndarray:
    """A picture at a size, ``[h, w, 3]`` uint8.

    Args:
        picture: in colour.
        size: (height, width) in pixels, or only the height, and the width follows; ``None`` keeps the size.

    Example:
        >>> resized(Image.new("RGB", (20, 10)), 5).shape
        (5, 10, 3)
    """
    if size is not None:
        height, width = (size, max(1, round(size * picture.width / picture.height))) if isinstance(size, int) else size
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def corner_box(crop: tuple[int, int], view: tuple[int, int], corner: str) -> tuple[int, int, int, int]:
    """The box of a crop that lies in a corner of a view.

    Args:
        crop: ``(height, width)`` in pixels.
        view: ``(height, width)`` in pixels.
        corner: one of :data:`CORNERS`.

    Returns:
        top, left, height, width in pixels of the view.

    Raises:
        ConfigError: there is no such corner, or the crop is larger than the view.

    Example:
        >>> corner_box((32, 32), (96, 96), "bottom_right")
        (64, 64, 32, 32)
    """
    if corner not in CORNERS:
        raise ConfigError(unknown_name("corner", corner, CORNERS))
    height, width = crop
    rows, columns = view
    if height > rows or width > columns:
        raise ConfigError(
            f"the crop has {height}×{width} pixels and the model's view {rows}×{columns}: set its 'size' to fit"
        )
    vertical, horizontal = corner.split("_")
    return (
        rows - height if vertical == "bottom" else 0,
        columns - width if horizontal == "right" else 0,
        height,
        width,
    )


def size_of(settings: Mapping[str, Any]) -> int | tuple[int, int] | None:
    """The size that an entry of a configuration gives its crop.

    Example:
        >>> size_of({"size": [20, 30]}), size_of({"size": 20}), size_of({})
        ((20, 30), 20, None)
    """
    size = settings.get("size")
    return tuple(size) if isinstance(size, list) else size


def crop_of(settings: Mapping[str, Any]) -> Crop:
    """The crop that an entry of a configuration describes.

    Raises:
        ConfigError: the entry does not describe a crop.

    Example:
        >>> crop_of({"photograph": "cat", "box": [0, 0, 50, 100], "size": 20}).pixels().shape
        (20, 40, 3)
    """
    return Crop(
        photograph=settings.get("photograph"),
        file=settings.get("file"),
        box=tuple(settings["box"]) if "box" in settings else None,
        size=size_of(settings),
    )
