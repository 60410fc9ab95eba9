"""Read a part of a large TIFF without decoding the rest, if its compression allows that.

Decoding a slide of 7000×5000 pixels takes 100 MB and up to a second, and many small windows of it are needed. tifffile
reads only the strips or tiles that a window touches. It has no decoder for some compressions (JPEG, LZW). Pillow
decodes such slides as a whole, and the last few of them are kept in memory.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import tifffile

from conceptrast.base.errors import DataError
from conceptrast.data.decoding import open_rgb

#: Number of whole slides that each process keeps in memory.
_REMEMBERED = 2


def tiff_size(path: Path) -> tuple[int, int]:
    """Height and width of a TIFF's first page, from its header.

    Raises:
        DataError: the file is missing, empty, or no TIFF.
    """
    if not path.is_file():
        raise DataError("the file does not exist")
    if not path.stat().st_size:
        raise DataError("the file is empty (0 bytes)")
    try:
        with tifffile.TiffFile(path) as opened:
            page = opened.pages.first
            return int(page.imagelength), int(page.imagewidth)
    except Exception as error:  # if the header is broken, the reader may raise any error
        raise DataError(f"not a TIFF that can be read: {error or type(error).__name__}") from error


def read_region(path: Path, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A window of a TIFF's first page.

    Args:
        path: the file.
        top: first row.
        left: first column.
        height: number of rows; the window has to lie inside the page.
        width: number of columns.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        DataError: the file cannot be read at the window.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "slide.tiff"
        >>> tifffile.imwrite(path, np.arange(300, dtype=np.uint8).reshape(10, 10, 3), photometric="rgb")
        >>> read_region(path, 2, 3, 1, 2).tolist()
        [[[69, 70, 71], [72, 73, 74]]]
    """
    size = tiff_size(path)
    if top < 0 or left < 0 or top + height > size[0] or left + width > size[1]:
        raise DataError(f"a window of {width}×{height} pixels at ({left}, {top}) is not inside {size[1]}×{size[0]}")
    try:
        with tifffile.TiffFile(path) as opened:
            page = opened.pages.first
            if _can_read_parts(page):
                return _from_segments(page, top=top, left=left, height=height, width=width)
    except Exception as error:
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error
    whole = _whole(path, path.stat().st_mtime_ns)
    if whole.shape[:2] != size:
        raise DataError("its orientation tag turns it: windows of a turned TIFF are not supported; save it upright")
    return whole[top : top + height, left : left + width].copy()


def _can_read_parts(page: tifffile.TiffPage) -> bool:
    plain = page.dtype == np.uint8 and page.samplesperpixel == 3 and page.photometric == tifffile.PHOTOMETRIC.RGB
    if not plain or page.planarconfig != tifffile.PLANARCONFIG.CONTIG or page.tags.valueof("Orientation", 1) != 1:
        return False
    return page.compression in (
        tifffile.COMPRESSION.NONE,
        tifffile.COMPRESSION.ADOBE_DEFLATE,
        tifffile.COMPRESSION.DEFLATE,
    )


def _from_segments(page: tifffile.TiffPage, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The window, from the strips or tiles that it touches."""
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    across = -(-page.imagewidth // columns)
    window = np.empty((height, width, 3), np.uint8)
    for row in range(top // rows, (top + height - 1) // rows + 1):
        for column in range(left // columns, (left + width - 1) // columns + 1):
            pixels = _segment(page, row * across + column)
            # The part of the segment that lies in the window.
            y = row * rows
            x = column * columns
            first_row = max(top, y)
            first_column = max(left, x)
            part = pixels[first_row - y : top + height - y, first_column - x : left + width - x]
            # Its place in the window.
            at_row = first_row - top
            at_column = first_column - left
            window[at_row : at_row + part.shape[0], at_column : at_column + part.shape[1]] = part
    return window


def _segment(page: tifffile.TiffPage, number: int) -> np.ndarray:
    """Pixels ``[rows, columns, 3]`` of one strip or tile."""
    stream = page.parent.filehandle
    size = page.databytecounts[number]
    stream.seek(page.dataoffsets[number])
    content = stream.read(size)
    if not size or len(content) < size:
        raise DataError(f"the file ends before part {number + 1} of {len(page.dataoffsets)}")
    pixels, _, shape = page.decode(content, number)
    if pixels is None:
        raise DataError(f"part {number + 1} of {len(page.dataoffsets)} is empty")
    return pixels[0, : shape[1], : shape[2]]


@lru_cache(maxsize=_REMEMBERED)
def _whole(path: Path, changed: int) -> np.ndarray:  # noqa: ARG001 - a key: replaced files are read again
    return np.asarray(open_rgb(path))
