"""Made classes: they differ, their pictures depend on seed, split, class and number alone, and nothing leaks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.streams import Stream, generator
from conceptrast.data.collages import (
    MOST_CLASSES,
    PHOTOGRAPHS,
    TEXTURES,
    Collages,
    collage,
    digit_pool,
    parts_of,
    photographs,
    textures,
)
from conceptrast.data.dataset import open_dataset


def pictures(dataset, rows):
    return np.stack([np.asarray(dataset.picture(row)) for row in rows.itertuples()])


def test_a_thousand_classes_are_pairwise_different_in_texture_or_photograph():
    parts = [parts_of(label) for label in range(MOST_CLASSES)]
    assert MOST_CLASSES == len(TEXTURES) * len(PHOTOGRAPHS) == 1000
    assert len({(part.texture, part.photograph) for part in parts}) == 1000
    assert len(set(Collages().class_names)) == 1000


def test_textures_and_photographs_are_pairwise_different():
    for kind in (textures(), photographs()):
        values = np.stack([np.asarray(picture, dtype=np.float32) for picture in kind])
        distances = [np.abs(values - value).mean(axis=(1, 2, 3)) for value in values]
        assert np.sort(distances, axis=1)[:, 1].min() > 5  # the nearest other one, in grey values


def test_splits_are_balanced_and_their_sizes_need_not_be_multiples_of_the_classes():
    table = Collages(classes=7, train=10, validation=21).build_index().table
    counts = table.groupby(["split", "label"]).size()
    assert counts["train"].tolist() == [2, 2, 2, 1, 1, 1, 1]
    assert counts["validation"].tolist() == [3] * 7
    assert table["image"].tolist() == list(range(31))
    assert not table["path"].duplicated().any()


def test_more_pictures_and_more_classes_leave_the_others_as_they_are():
    small = Collages(classes=3, train=0, validation=6)
    large = Collages(classes=5, train=40, validation=50)
    rows = small.build_index().table
    same = large.build_index().table.set_index("path").loc[rows["path"]].reset_index()
    assert same["label"].tolist() == rows["label"].tolist()
    assert (pictures(small, rows) == pictures(large, same)).all()


def test_pictures_of_a_class_differ_also_between_splits_and_seeds():
    rows = Collages(classes=1, train=3, validation=3).build_index().table
    drawn = np.concatenate([pictures(Collages(classes=1, seed=seed), rows) for seed in (0, 1)])
    distances = np.abs(drawn[:, None].astype(float) - drawn[None]).mean(axis=(2, 3, 4))
    assert distances[~np.eye(12, dtype=bool)].min() > 10


def test_no_handwritten_digit_is_in_both_splits():
    pool = digit_pool(3)
    for digit in range(10):
        assert not set(pool["train"][digit]) & set(pool["validation"][digit])


def test_photograph_and_digit_lie_in_two_quarters_and_the_others_show_the_texture_alone(monkeypatch):
    paper = Image.new("RGB", (256, 256), (40, 40, 40))
    print_ = Image.new("RGB", (128, 128), (150, 0, 0))
    monkeypatch.setattr("conceptrast.data.collages.textures", lambda: [paper] * 25)
    monkeypatch.setattr("conceptrast.data.collages.photographs", lambda: [print_] * 40)
    places = set()
    for number in range(40):
        rng = generator(Stream.COLLAGE, 0, 0, 0, number)
        picture = np.asarray(collage(parts_of(3), digit_pool(0)["train"][3], 96, rng), dtype=float)
        red = quarters_with((picture[..., 0] > 100) & (picture[..., 1] < 30))
        white = quarters_with(picture[..., 1] > 100)
        assert len(red) == len(white) == 1
        assert red != white
        places |= {(*red, *white)}
    assert len(places) > 6  # of twelve ways to choose two quarters


def quarters_with(marked):
    """The quarters of a picture of 96 pixels in which a pixel is marked."""
    return np.flatnonzero(marked.reshape(2, 48, 2, 48).any(axis=(1, 3))).tolist()


@pytest.mark.parametrize("size", [32, 97, 224])
def test_pictures_have_the_size_that_is_asked_for(size):
    dataset = Collages(classes=2, train=0, validation=2, size=size)
    row = dataset.build_index().table.iloc[1]
    assert dataset.picture(row).size == (size, size)
    assert dataset.picture(row).mode == "RGB"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 0}, "collages: classes is a number of classes from 1 to 1000; got 0"),
        ({"classes": 1001}, "collages: classes is a number of classes from 1 to 1000; got 1001"),
        ({"classes": True}, "collages: classes is a number of classes from 1 to 1000; got True"),
        ({"size": 20}, "collages: size is the side of a picture in pixels, at least 32; got 20"),
        ({"train": -1}, "collages: train is a number of pictures, 0 or more; got -1"),
        ({"train": 0, "validation": 0}, "collages: train and validation are both 0; one has to be positive"),
    ],
)
def test_options_that_cannot_be_used_are_named_with_what_would_be_right(options, message):
    with pytest.raises(ConfigError) as caught:
        open_dataset({"kind": "collages", **options})
    assert str(caught.value) == message


@pytest.mark.parametrize("path", ["seed:3", "train:1", "test:1:2", "train:one:2"])
def test_a_path_of_another_dataset_is_refused(path):
    rows = Collages(classes=1, train=1, validation=0).build_index().table.assign(path=path)
    with pytest.raises(DataError, match="is no path of this dataset, which are like 'train:3:14'"):
        Collages(classes=1).picture(rows.iloc[0])


def test_the_fingerprint_changes_with_every_option():
    prints = {
        Collages(**options).fingerprint()
        for options in ({}, {"classes": 9}, {"train": 9}, {"validation": 9}, {"size": 64}, {"seed": 1})
    }
    assert len(prints) == 6
