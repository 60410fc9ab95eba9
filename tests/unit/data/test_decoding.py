"""Pictures of every mode become 8-bit RGB; what cannot be read says why."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data.decoding import open_rgb
from conceptrast.data.packaged import packaged_file


def saved(image: Image.Image, path, **options):
    image.save(path, **options)
    return path


def test_an_rgb_picture_keeps_its_values(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = open_rgb(saved(Image.fromarray(values), tmp_path / "a.png"))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), values)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_rescaled_not_clipped(tmp_path, suffix):
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    picture = open_rgb(saved(Image.fromarray(values), tmp_path / f"a.{suffix}"))
    np.testing.assert_array_equal(np.asarray(picture)[0, :, 0], [0, 1, 128, 255])
    np.testing.assert_array_equal(np.asarray(picture)[..., 0], np.asarray(picture)[..., 2])


def test_integer_mode_with_sixteen_bit_values_is_rescaled(tmp_path):
    values = np.array([[0, 65535, 514]], dtype=np.int32)
    picture = open_rgb(saved(Image.fromarray(values), tmp_path / "a.tif"))
    np.testing.assert_array_equal(np.asarray(picture)[0, :, 1], [0, 255, 2])


def test_fractions_are_rescaled_and_other_floats_refused(tmp_path):
    fractions = saved(Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32)), tmp_path / "a.tif")
    assert np.asarray(open_rgb(fractions))[0, :, 0].tolist() == [0, 128, 255]
    heights = saved(Image.fromarray(np.array([[-3, 812]], dtype=np.float32)), tmp_path / "b.tif")
    with pytest.raises(DataError, match="values from -3 to 812"):
        open_rgb(heights)


def test_cmyk_becomes_rgb(tmp_path):
    picture = open_rgb(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "a.jpg", quality=100))
    red, green, blue = picture.getpixel((4, 4))
    assert red > 240
    assert green < 15
    assert blue < 15


@pytest.mark.parametrize(
    ("mode", "colour", "expected"), [("L", 77, (77,) * 3), ("1", 1, (255,) * 3), ("LA", (9, 255), (9,) * 3)]
)
def test_grey_modes_get_three_equal_channels(tmp_path, mode, colour, expected):
    assert open_rgb(saved(Image.new(mode, (3, 3), colour), tmp_path / "a.png")).getpixel((1, 1)) == expected


def test_a_palette_is_looked_up(tmp_path):
    image = Image.new("RGB", (4, 4), (10, 200, 30)).quantize(4)
    assert open_rgb(saved(image, tmp_path / "a.png")).getpixel((0, 0)) == (10, 200, 30)


def test_transparent_parts_become_white_and_half_transparent_ones_half(tmp_path):
    image = Image.new("RGBA", (2, 1), (200, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    picture = open_rgb(saved(image, tmp_path / "a.png"))
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert picture.getpixel((1, 0)) == (127, 127, 127)


def test_the_orientation_in_the_exif_data_is_applied(tmp_path):
    image = Image.new("RGB", (6, 2))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    picture = open_rgb(saved(image, tmp_path / "a.png", exif=exif))
    assert picture.size == (2, 6)
    assert picture.getpixel((1, 0)) == (255, 255, 255)


def test_a_truncated_picture_is_refused_with_the_reason(tmp_path):
    whole = packaged_file("sklearn/datasets/images/flower.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        open_rgb(tmp_path / "cut.jpg")


@pytest.mark.parametrize("share", [0.0005, 0.05, 0.5, 0.9])
def test_a_truncated_png_is_refused_wherever_it_ends(tmp_path, share):
    whole = packaged_file("skimage/data/coffee.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError):
        open_rgb(tmp_path / "cut.png")


def test_an_empty_file_a_text_and_a_missing_file_are_told_apart(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    for name, reason in [("empty.jpg", "0 bytes"), ("text.jpg", "known format"), ("none.jpg", "does not exist")]:
        with pytest.raises(DataError, match=reason):
            open_rgb(tmp_path / name)


def test_an_open_file_can_be_read():
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(stream, "png")
    assert open_rgb(stream).getpixel((2, 1)) == (1, 2, 3)
