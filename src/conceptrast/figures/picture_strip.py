"""A row of pictures in one WebP file, out of which a page shows one picture at a time.

A page with hundreds of patches would otherwise have hundreds of files. The browser cuts the strip: with
``object-fit: cover`` and ``object-position: <place> / (n - 1)`` an image element shows picture ``place`` of ``n``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from conceptrast.base.files import atomic

MOST_PIXELS = 96
"""Longest side of a picture in a strip: as large as a page shows it."""

WIDEST = 16383
"""Largest number of pixels in a row of a WebP file."""

QUALITY = 82
EFFORT = 4
"""Of WebP's encoder, for strips."""


def save_strip(pictures: Sequence[np.ndarray], path: Path | str, most: int = MOST_PIXELS) -> None:
    """Write pictures side by side. All get the size of the first, reduced so that the file can hold them.

    Args:
        pictures: at least one, each ``[h, w, 3]`` uint8.
        path: the path of the WebP file.
        most: longest side of a picture in pixels; smaller pictures are not enlarged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "strip.webp")
        >>> save_strip([np.zeros((200, 100, 3), np.uint8), np.ones((50, 25, 3), np.uint8)], path)
        >>> with Image.open(path) as strip:
        ...     strip.size
        (96, 96)
    """
    height, width = pictures[0].shape[:2]
    scale = min(1.0, most / max(height, width), WIDEST / (width * len(pictures)))
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    strip = Image.new("RGB", (size[0] * len(pictures), size[1]))
    for place, picture in enumerate(pictures):
        image = Image.fromarray(picture)
        strip.paste(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS), (place * size[0], 0))
    save_webp(strip, path)


def save_webp(image: Image.Image, path: Path | str, quality: int = QUALITY, effort: int = EFFORT) -> None:
    """Write a picture as WebP. Equal pictures give equal bytes.

    Args:
        image: the picture.
        path: the path of the file.
        quality: 0 to 100.
        effort: 0 to 6; the files of 2 are somewhat larger than those of 4, and take half the time.
    """
    with atomic(path) as part:
        image.save(part, format="webp", quality=quality, method=effort)
