"""Opening a dataset by its entry in the config, the small kinds."""

from __future__ import annotations

import pytest

from conceptrast.base.errors import ConfigError
from conceptrast.data import DATASET_KINDS
from conceptrast.data.dataset import open_dataset
from conceptrast.data.photographs import FILES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "digit_pair"}, "unknown dataset kind 'digit_pair'; nearest: digit_pairs"),
        ({}, "needs a kind"),
        ({"kind": "image_folder"}, "needs the option 'root'"),
        ({"kind": "image_folder", "rot": "x"}, "unknown option of dataset kind image_folder 'rot'; nearest: root"),
        ({"kind": "image_folder", "root": "x", "class_names": "coco"}, "'imagenet'; got 'coco'"),
        ({"kind": "image_folder", "root": "x", "train_share": 1.5}, "share between 0 and 1"),
        ({"kind": "photographs", "names": ["cta"]}, "unknown photograph 'cta'; nearest: cat"),
        ({"kind": "photographs", "names": []}, "at least one"),
    ],
)
def test_wrong_entries_name_what_is_right(settings, message):
    with pytest.raises(ConfigError, match=message):
        open_dataset(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": 3}, "kind is one of collages, .*; got 3"),
        ({"kind": ["imagenet"]}, "kind is one of"),
        ({"kind": "digit_pairs", "train": "many"}, "train is a number of pictures, 0 or more; got 'many'"),
        ({"kind": "digit_pairs", "validation": True}, "validation is a number of pictures.*; got True"),
        ({"kind": "digit_pairs", "validation": 2.5}, "validation is a number of pictures.*; got 2.5"),
        ({"kind": "digit_pairs", "train": -1}, "got -1"),
        ({"kind": "photographs", "names": "cat"}, "names is a list of different photographs.*; got 'cat'"),
        ({"kind": "photographs", "names": [["cat"]]}, r"names is a list .*; got \[\['cat'\]\]"),
        ({"kind": "photographs", "names": ["cat", "cat"]}, "names is a list of different"),
        ({"kind": "image_folder", "root": 3}, "root is a path; got 3"),
        ({"kind": "image_folder", "root": ""}, "root is a path; got ''"),
        ({"kind": "image_folder", "root": "x", "class_file": ["y"]}, r"class_file is a path; got \['y'\]"),
        (
            {"kind": "image_folder", "root": "x", "class_names": 5},
            "class_names is a list of names or 'imagenet'; got 5",
        ),
        ({"kind": "image_folder", "root": "x", "class_names": [1, 2]}, r"class_names is a list .*; got \[1, 2\]"),
        ({"kind": "image_folder", "root": "x", "train_share": 2}, "train_share is a share between 0 and 1; got 2"),
        ({"kind": "image_folder", "root": "x", "train_share": "half"}, "between 0 and 1; got 'half'"),
        ({"kind": "image_folder", "root": "x", "train_share": float("nan")}, "between 0 and 1; got nan"),
        ({"kind": "image_folder", "root": "x", "train_share": True}, "between 0 and 1; got True"),
        ({"kind": "imagenet", "root": None}, "root is a path; got None"),
        ({"kind": "imagenet", "root": "x", "solution": 1}, "solution is a path; got 1"),
        ({"kind": "imagenet", "root": "x", "synsets": {}}, "synsets is a path; got {}"),
        ({"kind": "imagenette", "root": 3}, "root is a path; got 3"),
        ({"kind": "imagenette", "root": "x", "train": "many"}, "train is true or false; got 'many'"),
        ({"kind": "imagenette", "root": "x", "train": 1}, "train is true or false; got 1"),
    ],
)
def test_options_of_the_wrong_type_name_what_is_needed(settings, message):
    with pytest.raises(ConfigError, match=message):
        open_dataset(settings)


def test_every_kind_can_be_opened():
    for kind in DATASET_KINDS:
        settings = (
            {"kind": kind}
            if kind in ("collages", "digit_pairs", "digits", "photographs", "rotated_pair")
            else {"kind": kind, "pairs": [["cat", "coffee"]]}
            if kind == "photograph_pairs"
            else {"kind": kind, "root": "nowhere"}
        )
        assert open_dataset(settings, seed=3).seed == 3


def test_photographs_ship_with_the_packages():
    dataset = open_dataset({"kind": "photographs"})
    assert dataset.missing() is None
    table = dataset.build_index().table
    assert table.label_name.tolist() == list(FILES)
    assert all(dataset.picture(row).mode == "RGB" for row in table.itertuples())
    assert dataset.fingerprint() != open_dataset({"kind": "photographs", "names": ["cat"]}).fingerprint()
