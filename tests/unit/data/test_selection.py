"""Which images explain a class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.errors import ConfigError
from conceptrast.data.selection import class_images, first_of_labels


def predictions(counts: dict[int, int]) -> pd.DataFrame:
    predicted = np.repeat(list(counts), list(counts.values()))
    order = np.random.default_rng(0).permutation(len(predicted))
    return pd.DataFrame({"image": 10 * np.arange(len(predicted)), "predicted": predicted[order]})


def test_images_are_those_predicted_as_the_class_and_sorted() -> None:
    table = predictions({0: 5, 2: 9})
    chosen, skipped = class_images(table, 5, 60, seed=1, n_classes=3)
    assert list(chosen) == [0, 2]
    for target, images in chosen.items():
        assert images.tolist() == sorted(table["image"][table["predicted"] == target])
    assert skipped.to_dict("list") == {"class": [1], "n_images": [0]}


def test_a_class_draws_the_same_images_whatever_the_others_and_the_order_of_rows() -> None:
    table = predictions({0: 40, 1: 40, 2: 40})
    all_classes, _ = class_images(table, 1, 10, seed=4, n_classes=3)
    alone, _ = class_images(table.sample(frac=1, random_state=0), 1, 10, seed=4, n_classes=3, classes=[1])
    assert alone[1].tolist() == all_classes[1].tolist()
    assert len(set(alone[1])) == 10
    assert class_images(table, 1, 10, seed=5, n_classes=3)[0][1].tolist() != alone[1].tolist()


def test_nobody_predicted_means_skipped_and_an_unknown_class_an_error() -> None:
    chosen, skipped = class_images(predictions({0: 3}), 0, 60, seed=0, n_classes=2)
    assert list(chosen) == [0]
    assert skipped["class"].tolist() == [1]
    with pytest.raises(ConfigError, match="class 7 does not exist: 0 to 1"):
        class_images(predictions({0: 3}), 1, 60, seed=0, n_classes=2, classes=[0, 7])


def test_every_label_has_its_turn_in_the_order_asked_for() -> None:
    labels = [1, 0, 0, 2, 1, 0]
    table = pd.DataFrame({"image": np.arange(10, 16), "label": labels, "label_name": [f"n{label}" for label in labels]})
    table["split"] = ["validation"] * 5 + ["train"]
    assert first_of_labels(table, 4).tolist() == [11, 10, 13, 12]
    assert first_of_labels(table, 9, ["n2", "n1"]).tolist() == [13, 10, 14]
    with pytest.raises(ConfigError, match="unknown label 'n7'"):
        first_of_labels(table, 2, ["n7"])
