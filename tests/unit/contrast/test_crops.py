"""Crops: the same portrait as in the generated pictures, and boxes, sizes and corners that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.contrast.crops import CORNERS, Crop, corner_box, crop_of
from conceptrast.data.digit_scenes import CELL, FACE, portrait


def test_the_default_crop_is_the_planted_portrait():
    left, top, right, bottom = FACE
    crop = Crop(photograph="astronaut", box=(top, left, bottom - top, right - left), size=CELL)
    assert np.array_equal(crop.pixels(), portrait())


@pytest.fixture
def picture(tmp_path):
    pixels = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    return str(tmp_path / "mine.png"), pixels


def test_a_box_of_a_file_is_cut_out_unchanged(picture):
    path, pixels = picture
    assert np.array_equal(Crop(file=path, box=(2, 5, 4, 6)).pixels(), pixels[2:6, 5:11])
    assert np.array_equal(Crop(file=path).pixels(), pixels)


@pytest.mark.parametrize(("size", "shape"), [(5, (5, 10, 3)), ((4, 4), (4, 4, 3))])
def test_a_height_keeps_the_proportions(picture, size, shape):
    assert Crop(file=picture[0], size=size).pixels().shape == shape


@pytest.mark.parametrize(
    "box", [(0, 0, 11, 5), (0, 0, 5, 21), (8, 0, 3, 3), (0, 18, 3, 3), (0, 0, 0, 5), (-1, 0, 3, 3)]
)
def test_a_box_outside_the_picture_is_named(picture, box):
    with pytest.raises(DataError, match=r"box \[top .*\] is not inside mine\.png, which has 10×20 pixels"):
        Crop(file=picture[0], box=box).pixels()


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        Crop(file=str(tmp_path / "broken.png")).pixels()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either 'photograph' or 'file'"),
        ({"photograph": "cat", "file": "cat.png"}, "either 'photograph' or 'file'"),
        ({"photograph": "cat", "size": 0}, "size is 0; it must be a height"),
        ({"photograph": "cat", "size": [5, 5, 5]}, r"size is \(5, 5, 5\)"),
        ({"photograph": "cat", "box": [1, 2, 3]}, r"box is \[1, 2, 3\]; it must be top, left, height and width"),
        ({"photograph": "astronout"}, "unknown photograph 'astronout'; nearest: astronaut"),
    ],
)
def test_a_crop_needs_one_source_that_exists(settings, message):
    with pytest.raises(ConfigError, match=message):
        crop_of(settings)


def test_every_corner_is_where_its_name_says():
    corners = {corner: corner_box((2, 3), (10, 20), corner)[:2] for corner in CORNERS}
    expected = {"top_left": (0, 0), "top_right": (0, 17), "bottom_left": (8, 0), "bottom_right": (8, 17)}
    assert corners == expected


def test_corners_that_do_not_exist_and_crops_that_do_not_fit_are_named():
    with pytest.raises(ConfigError, match="unknown corner 'bottom-right'; nearest: bottom_right"):
        corner_box((2, 2), (10, 10), "bottom-right")
    with pytest.raises(ConfigError, match="the crop has 11×2 pixels and the model's view 10×10: set its 'size' to fit"):
        corner_box((11, 2), (10, 10), "top_left")
