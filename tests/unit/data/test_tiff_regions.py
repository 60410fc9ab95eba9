"""Windows of TIFFs are those of the whole picture, whatever the file's layout; broken files say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data import tiff_regions
from conceptrast.data.tiff_regions import read_region, tiff_size

PIXELS = np.random.default_rng(0).integers(0, 256, (150, 190, 3), dtype=np.uint8)
WINDOWS = [(0, 0, 150, 190), (140, 0, 10, 1), (0, 185, 1, 5), (30, 40, 64, 70), (63, 64, 2, 1), (149, 189, 1, 1)]
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 16},
    "tiles": {"tile": (64, 32)},
    "compressed strips": {"rowsperstrip": 16, "compression": "zlib"},
    "compressed tiles": {"tile": (32, 64), "compression": "zlib", "predictor": True},
    "planes": {"planarconfig": "separate"},
}


def write(path: Path, layout: str, pixels: np.ndarray = PIXELS) -> Path:
    if layout.startswith("tiff_") or layout == "packbits":
        Image.fromarray(pixels).save(path, compression=layout)
        return path
    options = LAYOUTS[layout]
    if "planarconfig" in options:
        pixels = np.moveaxis(pixels, 2, 0)
    tifffile.imwrite(path, pixels, photometric="rgb", **options)
    return path


@pytest.mark.parametrize("layout", [*LAYOUTS, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_window_is_that_of_the_whole_picture(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "a.tiff", layout)
    assert tiff_size(path) == (150, 190)
    for top, left, height, width in WINDOWS:
        window = read_region(path, top=top, left=left, height=height, width=width)
        assert window.dtype == np.uint8
        np.testing.assert_array_equal(window, PIXELS[top : top + height, left : left + width])


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(PIXELS[..., 0])
    picture = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    picture.save(path := tmp_path / "a.tif")
    window = read_region(path, top=3, left=4, height=5, width=6)
    np.testing.assert_array_equal(window, np.repeat(PIXELS[3:8, 4:10, :1], 3, axis=2))


def test_no_more_is_decoded_than_the_window_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tiff", "compressed tiles")
    parts = []
    real = tiff_regions._segment
    monkeypatch.setattr(tiff_regions, "_segment", lambda page, number: parts.append(number) or real(page, number))
    read_region(path, top=0, left=60, height=10, width=10)
    assert parts == [0, 1]


def test_a_slide_that_is_decoded_whole_is_decoded_once_and_anew_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.tiff", "tiff_lzw")
    opened = []
    real = tiff_regions.open_rgb
    monkeypatch.setattr(tiff_regions, "open_rgb", lambda path: opened.append(path) or real(path))
    read_region(path, top=0, left=0, height=2, width=2)[:] = 0  # what was given away is the caller's
    np.testing.assert_array_equal(read_region(path, top=0, left=0, height=2, width=2), PIXELS[:2, :2])
    assert len(opened) == 1
    write(path, "tiff_lzw", PIXELS[::-1])
    np.testing.assert_array_equal(read_region(path, top=0, left=0, height=2, width=2), PIXELS[-1:-3:-1, :2])


@pytest.mark.parametrize("layout", ["one strip", "compressed tiles", "tiff_lzw"])
def test_a_file_that_is_cut_off_says_so(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "a.tiff", layout)
    content = path.read_bytes()
    with tifffile.TiffFile(path) as opened:
        header = max(max(page.offset for page in opened.pages), 8)
    keep = len(content) - 200 if header < len(content) // 2 else len(content) // 2
    path.write_bytes(content[:keep])
    with pytest.raises(DataError, match=r"cannot be decoded|not a TIFF"):
        read_region(path, top=0, left=0, height=150, width=190)


@pytest.mark.parametrize(("layout", "part"), [("one strip", "1 of 1"), ("strips", "10 of 10"), ("tiles", "18 of 18")])
def test_a_part_that_is_cut_off_is_named_and_the_others_are_read(tmp_path: Path, layout: str, part: str) -> None:
    path = write(tmp_path / "a.tiff", layout)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=f"the file ends before part {part}"):
        read_region(path, top=0, left=0, height=150, width=190)
    if part != "1 of 1":
        np.testing.assert_array_equal(read_region(path, top=0, left=0, height=50, width=50), PIXELS[:50, :50])


@pytest.mark.parametrize(("content", "message"), [(None, "does not exist"), (b"", "0 bytes"), (b"text", "not a TIFF")])
def test_what_is_no_tiff_says_so(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.tiff"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        tiff_size(path)


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 186, 5, 5), (146, 0, 5, 5)])
def test_a_window_outside_is_refused(tmp_path: Path, window: tuple[int, int, int, int]) -> None:
    with pytest.raises(DataError, match="is not inside 190×150"):
        read_region(write(tmp_path / "a.tiff", "tiles"), *window)


def test_a_turned_slide_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(path := tmp_path / "a.tiff", PIXELS, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    with pytest.raises(DataError, match="orientation"):
        read_region(path, top=0, left=0, height=5, width=5)
