"""Single digits: balanced, never in two splits, the same ones held out, options that cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.digits import N_DIGITS, OF_A_DIGIT
from conceptrast.data.packaged import handwritten_digits


def opened(seed: int = 0, **options):
    return open_dataset({"kind": "digits", **options}, seed)


def table_of(seed: int = 0, **options) -> pd.DataFrame:
    return opened(seed, **options).build_index().table


def test_there_are_as_many_of_every_digit_as_it_says():
    assert np.bincount(handwritten_digits()[1]).tolist() == [OF_A_DIGIT] * N_DIGITS


def test_default_splits_are_balanced_disjoint_and_show_what_their_labels_say():
    table = table_of()
    assert table.groupby("split").size().to_dict() == {"train": 4000, "validation": 1000}
    assert table.groupby(["split", "label"]).size().tolist() == [400] * 10 + [100] * 10
    assert table["path"].is_unique
    sources = [int(path.removeprefix("digit:")) for path in table["path"]]
    assert handwritten_digits()[1][sources].tolist() == table["label"].tolist()
    assert table["label_name"].tolist() == [opened().class_names[label] for label in table["label"]]
    assert table["image"].tolist() == list(range(5000))


def test_every_digit_can_be_used_and_a_number_that_is_no_multiple_is_balanced_as_well_as_can_be():
    assert table_of(train=4990, validation=10)["path"].nunique() == 5000
    counts = table_of(train=25, validation=3).groupby(["split", "label"]).size()
    assert counts["train"].tolist() == [3] * 5 + [2] * 5
    assert counts["validation"].to_dict() == {0: 1, 1: 1, 2: 1}


def test_held_out_digits_do_not_depend_on_how_many_are_trained_on():
    few, many = (table_of(train=train, validation=200) for train in (10, 4500))
    assert few[few["split"] == "validation"]["path"].tolist() == many[many["split"] == "validation"]["path"].tolist()
    assert few[few["split"] == "train"]["path"].tolist() == many[many["split"] == "train"]["path"].head(10).tolist()


def test_the_seed_decides_and_the_global_state_does_not():
    np.random.seed(1)  # noqa: NPY002 - to show that it does not matter
    one = table_of(3, train=50, validation=50)
    np.random.seed(2)  # noqa: NPY002
    assert one.equals(table_of(3, train=50, validation=50))
    assert one["path"].tolist() != table_of(4, train=50, validation=50)["path"].tolist()
    assert opened(3).fingerprint() != opened(4).fingerprint() != opened(4, train=10).fingerprint()


def test_a_picture_is_the_digit_in_rgb():
    dataset = opened(train=10, validation=0)
    row = dataset.build_index().table.iloc[7]
    picture = dataset.picture(row)
    assert (picture.mode, picture.size) == ("RGB", (28, 28))
    source = handwritten_digits()[0][int(row["path"].removeprefix("digit:"))]
    assert all(np.array_equal(np.asarray(picture)[..., channel], source) for channel in range(3))
    assert dataset.missing() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0, "validation": 0}, "train and validation are both 0"),
        ({"train": -1}, "digits: train is a number of pictures, 0 or more; got -1"),
        ({"validation": True}, "digits: validation is a number of pictures"),
        ({"train": 4001}, "train 4001 and validation 1000 need 501 pictures of a digit, and there are 500"),
        ({"train": 5000, "validation": 1}, "need 501 pictures of a digit"),
        ({"trian": 10}, "unknown option of dataset kind digits 'trian'; nearest: train"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        opened(**options)


def test_a_path_of_another_dataset_is_refused():
    row = table_of(train=10, validation=0).iloc[0].copy()
    row["path"] = "seed:3"
    with pytest.raises(DataError, match="'seed:3' is no path of this dataset"):
        opened().picture(row)
