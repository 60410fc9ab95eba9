"""Rotated pairs: the planted angles, what a turned picture shows, options that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.rotated_pair import GREY, digit_split, turned_digit, turned_disc, turned_square


def opened(seed: int = 0, **options):
    return open_dataset({"kind": "rotated_pair", **options}, seed)


def folder(tmp_path, *names: str, count: int = 3):
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (40, 30), (10 * number, 100, 200)).save(tmp_path / name / f"{number}.png")
    return {"kind": "image_folder", "root": str(tmp_path), "train_share": 0.5}


def test_biased_angles_lie_in_the_range_of_their_class_and_the_controls_in_both():
    biased, control = (opened(biased=planted).build_index().table for planted in (True, False))
    for label, low, high in ((0, 0, 90), (1, 90, 180)):
        rotations = biased[biased.label == label].rotation
        assert rotations.between(low, high).all()
        assert rotations.max() - rotations.min() > 85
        turned = control[control.label == label].rotation
        assert turned.between(0, 180).all()
        assert turned.max() - turned.min() > 170
    np.testing.assert_allclose(control.rotation, 2 * (biased.rotation - 90 * biased.label))
    assert biased.drop(columns="rotation").equals(control.drop(columns="rotation"))


def test_the_same_seed_gives_the_same_index_and_another_seed_another():
    one, again, other = (opened(seed=seed, train=20, validation=10).build_index().table for seed in (3, 3, 4))
    assert one.equals(again)
    assert not np.allclose(one.rotation, other.rotation)


def test_digits_of_the_splits_are_disjoint_and_show_the_two_classes():
    table = opened(digits=[7, 2], train=40, validation=20).build_index().table
    assert table.groupby("label").label_name.unique().map(list).tolist() == [["7"], ["2"]]
    assert table.groupby(["split", "label"]).size().tolist() == [20, 20, 10, 10]
    paths = {split: set(part.path) for split, part in table.groupby("split")}
    assert not paths["train"] & paths["validation"]
    assert len(paths["train"]) == 40  # no digit twice before all were shown


def test_more_pictures_than_digits_show_each_again_at_another_angle():
    table = opened(train=0, validation=1000).build_index().table
    split = digit_split((3, 4), 0)["validation"]
    assert table.path.nunique() == len(split[0]) + len(split[1])
    again = table[table.path == table.path.iloc[0]]
    assert len(again) > 2
    assert again.rotation.nunique() == len(again)


def test_a_digit_is_turned_counter_clockwise_about_its_middle():
    digit = np.zeros((28, 28), np.uint8)
    digit[4:8, 12:16] = 255  # a block above the middle: rows 6 to 9 of 32
    whole = np.asarray(turned_digit(digit, 0.0))
    assert whole.shape == (32, 32, 3)
    assert whole[6:10, 14:18].min() == 255
    quarter = np.asarray(turned_digit(digit, 90.0))
    assert quarter[14:18, 6:10].min() > 250  # to the left of it
    half = np.asarray(turned_digit(digit, 180.0))
    np.testing.assert_array_equal(half, whole[::-1, ::-1])


def test_a_disc_holds_the_picture_alone_at_every_angle():
    blue = Image.new("RGB", (50, 30), (0, 0, 255))
    rim = {}
    for degrees in (0.0, 37.0, 90.0, 171.0):
        disc = np.asarray(turned_disc(blue, degrees)).astype(int)
        rim[degrees] = disc
        down, across = np.mgrid[:30, :30] - 14.5
        inside = down**2 + across**2 < 13.2**2
        outside = down**2 + across**2 > 16**2
        assert (disc[inside] == (0, 0, 255)).all()
        assert (disc[outside] == GREY).all()
    # One colour turned is that colour: nothing in such a picture says by how far it was turned.
    assert all(np.array_equal(rim[0.0], pixels) for pixels in rim.values())


def test_a_photograph_is_turned_counter_clockwise_about_its_middle():
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:15] = 255  # the upper half
    assert turned_disc(Image.fromarray(pixels), 90.0).getpixel((7, 15)) == (255, 255, 255)
    assert turned_disc(Image.fromarray(pixels), 90.0).getpixel((22, 15)) == (0, 0, 0)


def test_a_square_is_turned_with_its_corners_which_become_black():
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:15] = 255  # the upper half
    picture = Image.fromarray(pixels)
    assert turned_square(picture, 90.0).getpixel((7, 15)) == (255, 255, 255)
    assert turned_square(picture, 90.0).getpixel((22, 15)) == (0, 0, 0)
    assert np.array_equal(np.asarray(turned_square(picture, 0.0)), pixels[:, 10:40])
    blue = np.asarray(turned_square(Image.new("RGB", (50, 30), (0, 0, 255)), 45.0))
    assert (blue[0, 0] == 0).all()
    assert (blue[15, 15] == (0, 0, 255)).all()


def test_the_frame_changes_photographs_alone(tmp_path):
    inner = folder(tmp_path, "cats", "dogs")
    disc, corners = (opened(pictures=inner, frame=frame) for frame in ("disc", "corners"))
    row = disc.build_index().table.iloc[0]
    assert disc.picture(row).getpixel((0, 0)) == GREY
    assert corners.picture(row).getpixel((0, 0)) != GREY
    assert corners.picture(row).size == disc.picture(row).size
    digits = [opened(frame=frame).picture(opened().build_index().table.iloc[0]) for frame in ("disc", "corners")]
    assert np.array_equal(*map(np.asarray, digits))


def test_pictures_of_another_dataset_keep_their_labels_and_splits(tmp_path):
    inner = folder(tmp_path, "cats", "dogs", count=4)
    dataset = opened(pictures=inner, biased=False)
    plain = open_dataset(inner)
    table = dataset.build_index().table
    assert dataset.class_names == ["cats", "dogs"]
    assert table.drop(columns="rotation").equals(plain.build_index().table)
    assert dataset.picture(table.iloc[0]).size == (30, 30)
    assert dataset.missing() is None


def test_fingerprints_tell_bias_seed_and_pictures_apart(tmp_path):
    entries = [{}, {"biased": False}, {"digits": [3, 5]}, {"train": 10}, {"frame": "corners"}]
    fingerprints = [opened(**entry).fingerprint() for entry in entries] + [opened(seed=1).fingerprint()]
    inner = folder(tmp_path, "cats", "dogs")
    fingerprints.append(opened(pictures=inner).fingerprint())
    Image.new("RGB", (9, 9)).save(tmp_path / "cats" / "another.png")
    fingerprints.append(opened(pictures=inner).fingerprint())
    assert len(set(fingerprints)) == len(fingerprints)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": [3, 3]}, "rotated_pair: digits is two different digits from 0 to 9; got [3, 3]"),
        ({"digits": [3, 10]}, "two different digits"),
        ({"digits": [3, True]}, "two different digits"),
        ({"digits": [1, 2, 3]}, "two different digits"),
        ({"digits": "34"}, "two different digits"),
        ({"frame": "square"}, "rotated_pair: frame is one of disc, corners; got 'square'"),
        ({"biased": 1}, "rotated_pair: biased is true or false; got 1"),
        ({"train": 0, "validation": 0}, "train and validation are both 0"),
        ({"train": -1}, "a number of pictures"),
        ({"pictures": "pets"}, "rotated_pair: pictures is an entry of a dataset"),
        (
            {"pictures": {"kind": "petz", "root": "x"}},
            "rotated_pair: pictures: unknown dataset kind 'petz'; nearest: pets",
        ),
        ({"pictures": {"kind": "pets"}}, "rotated_pair: pictures: dataset kind pets needs the option 'root'"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, message):
    with pytest.raises(ConfigError) as error:
        opened(**options)
    assert message in str(error.value)


def test_pictures_of_three_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="3 classes \\(a, b, c\\); it needs two"):
        opened(pictures=folder(tmp_path, "a", "b", "c")).build_index()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    missing = opened(pictures={"kind": "image_folder", "root": str(tmp_path / "none")}).missing()
    assert str(tmp_path / "none") in missing


def test_noise_is_grey_follows_seed_and_picture_and_leaves_the_angles():
    plain, noisy, again, other = (
        opened(seed=seed, train=0, validation=2, noise=noise)
        for seed, noise in ((3, 0.0), (3, 0.2), (3, 0.2), (4, 0.2))
    )
    table = plain.build_index().table
    assert noisy.build_index().table.equals(table)
    row = table.iloc[0]
    clean, drawn, repeated, different = (
        np.asarray(dataset.picture(row), float) for dataset in (plain, noisy, again, other)
    )
    assert np.array_equal(drawn, repeated)
    assert not np.array_equal(drawn, different)
    assert np.array_equal(drawn[..., 0], drawn[..., 2])
    dark = clean[..., 0] == 0
    assert drawn[dark].mean() == pytest.approx(255 * 0.2 / np.sqrt(2 * np.pi), rel=0.15)  # half of a Gaussian
    assert noisy.fingerprint() != plain.fingerprint()
    assert not np.array_equal(drawn, np.asarray(noisy.picture(table.iloc[1]), float))


@pytest.mark.parametrize("noise", [-0.1, 2, True, "much"])
def test_a_noise_that_is_no_share_of_a_pixels_range_is_refused(noise):
    with pytest.raises(ConfigError, match="rotated_pair: noise is a share between 0 and 1"):
        opened(noise=noise)
