"""Read any picture file as 8-bit RGB. If that fails, the error says why."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from conceptrast.base.errors import DataError
from conceptrast.base.files import special_kind

LEFT = 2048
"""Pixels of the short side that a huge picture keeps at least: more than the input of any usual network."""


def open_rgb(source: Path | str | BinaryIO) -> Image.Image:
    """Read a picture as RGB, the right way up.

    CMYK, greyscale, palette and other modes are converted; 16-bit values are rescaled to 8 bits (``v / 257``);
    transparent parts become white; the orientation in the EXIF data is applied; if there are several frames, the first
    is taken; a JPEG with 4096 pixels or more on its short side is decoded at a reduced size.

    Args:
        source: path, or an open binary file.

    Returns:
        A picture of mode ``RGB``, 8 bits a channel.

    Raises:
        DataError: the file is missing, empty, truncated or not a picture, or its values have an unknown range.

    Example:
        >>> import io
        >>> stream = io.BytesIO()
        >>> Image.fromarray(np.full((2, 2), 32896, dtype=np.uint16)).save(stream, "png")
        >>> open_rgb(stream).getpixel((0, 0))
        (128, 128, 128)
    """
    if isinstance(source, str | Path):
        _refuse_empty(Path(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what is wrong with its EXIF data
            with Image.open(source) as image:
                _reduce(image)
                image.load()
                return to_rgb(_upright(image))
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError("the file does not exist") from None
    except UnidentifiedImageError:
        raise DataError("not a picture in a known format") from None
    except Exception as error:  # if bytes are broken, decoders raise errors of nearly every type
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error


def _reduce(image: Image.Image) -> None:
    """Let a huge JPEG be decoded at a half, a quarter or an eighth of its size, which takes as much less time.

    Pictures with a short side of less than twice ``LEFT`` pixels are decoded as they are.
    """
    short = min(image.size)
    if image.format == "JPEG" and short >= 2 * LEFT:
        width, height = image.size
        image.draft(None, (width * LEFT // short, height * LEFT // short))


def _refuse_empty(path: Path) -> None:
    """Refuse what holds no bytes, and what would be waited for: a pipe, a device."""
    if path.exists():
        status = path.stat()
        if kind := special_kind(status.st_mode):
            raise DataError(f"{kind}, not a file")
        if not status.st_size:
            raise DataError("the file is empty (0 bytes)")


def to_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture of any mode as RGB; see :func:`open_rgb`.

    Example:
        >>> to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of wide types as uint8: 16-bit integers by ``v / 257``, floats in 0 to 1 by ``255 v``."""
    low = values.min()
    high = values.max()
    if np.issubdtype(values.dtype, np.integer) and low >= 0 and high <= 65535:
        return np.round(values / 257).astype(np.uint8)
    if np.issubdtype(values.dtype, np.floating) and low >= 0 and high <= 1:
        return np.round(255 * values).astype(np.uint8)
    raise DataError(f"values from {low:g} to {high:g}: neither 16-bit integers nor fractions between 0 and 1")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a picture whose EXIF data are broken is still a picture
        return image
