"""Which pictures are looked at, and for which class."""

from __future__ import annotations

import pandas as pd
import pytest
from torch import nn

from conceptrast.base.errors import ConfigError
from conceptrast.models.model import Model, Preprocess
from conceptrast.saliency.subjects import picture_subjects, subjects_of, targets_of, usable, with_picture_facts
from conceptrast.saliency.targets import Target

NAMES = ["cat", "dog", "cow"]
MODEL = Model("net", nn.Flatten(), Preprocess(None, 2, (0.5,) * 3, (0.5,) * 3), NAMES)
INDEX = pd.DataFrame(
    {
        "image": [3, 4, 5, 6],
        "path": list("abcd"),
        "label": [0, 0, 1, 1],
        "label_name": ["cat", "cat", "dog", "dog"],
        "split": "validation",
    }
)
PREDICTIONS = pd.DataFrame({"image": [3, 4, 5, 6], "predicted": [0, 1, 1, 1], "probability": [0.5, 0.6, 0.7, 0.8]})


def view(**changed: object) -> dict[str, object]:
    return {"images": 3, "labels": None, "target": "predicted", "pairs": [], **changed}


def rows(table: pd.DataFrame) -> list[list[object]]:
    return table[["image", "kind", "toward", "versus"]].to_numpy().tolist()


def test_a_few_of_every_label_for_what_the_model_says_or_for_a_named_class() -> None:
    assert rows(subjects_of(table=INDEX, predictions=PREDICTIONS, model=MODEL, view=view(), seed=0)) == [
        [3, "predicted", 0, -1],
        [5, "predicted", 1, -1],
        [4, "predicted", 1, -1],
    ]
    by_name, by_number = (
        subjects_of(table=INDEX, predictions=PREDICTIONS, model=MODEL, view=view(labels=["dog"], target=target), seed=0)
        for target in ("cow", 2)
    )
    assert rows(by_name) == [[5, "class", 2, -1], [6, "class", 2, -1]]
    assert rows(by_number) == rows(by_name)


def test_images_of_a_pair_are_those_that_the_model_names_a_each_for_a_and_for_a_not_b() -> None:
    table = subjects_of(
        table=INDEX, predictions=PREDICTIONS, model=MODEL, view=view(pairs=[["dog", "cat"], ["cow", "dog"]]), seed=0
    )
    assert rows(table[table["status"] == "ok"]) == [
        *([image, "class", 1, -1] for image in (4, 5, 6)),
        *([image, "difference", 1, 0] for image in (4, 5, 6)),
    ]
    skipped = table[table["status"] == "skipped"]
    assert skipped["reason"].tolist() == ["no picture is predicted as cow"]
    assert skipped["image"].isna().all()
    subjects = usable(table)
    assert subjects["image"].dtype == "int64"
    assert targets_of(subjects) == [Target(1)] * 3 + [Target(1, 0)] * 3


def test_two_pairs_of_one_class_look_at_its_images_once_for_the_class_alone() -> None:
    table = subjects_of(
        table=INDEX, predictions=PREDICTIONS, model=MODEL, view=view(pairs=[["dog", "cat"], ["dog", "cow"]]), seed=0
    )
    assert table["kind"].value_counts().to_dict() == {"difference": 6, "class": 3}


def test_subjects_know_the_names_and_what_the_model_said_also_where_a_pair_is_skipped() -> None:
    subjects = subjects_of(
        table=INDEX, predictions=PREDICTIONS, model=MODEL, view=view(pairs=[["dog", "cat"], ["cow", "dog"]]), seed=0
    )
    table = with_picture_facts(subjects, PREDICTIONS, INDEX, NAMES)
    assert len(table) == len(subjects)
    last = table[table["image"] == 6].iloc[-1]
    assert last[["toward_name", "versus_name", "label_name", "predicted_name", "path"]].tolist() == [
        *("dog", "cat", "dog", "dog", "d")
    ]
    assert last["predicted_probability"] == 0.8
    assert table["versus_name"].tolist()[:3] == [""] * 3
    assert table.loc[table["status"] == "skipped", "toward_name"].item() == "cow"


def test_own_pictures_for_the_predicted_class_a_named_one_or_one_and_not_another() -> None:
    assert rows(picture_subjects(PREDICTIONS, MODEL))[:2] == [[3, "predicted", 0, -1], [4, "predicted", 1, -1]]
    assert rows(picture_subjects(PREDICTIONS, MODEL, "cow"))[0] == [3, "class", 2, -1]
    assert rows(picture_subjects(PREDICTIONS, MODEL, versus="cow"))[:2] == [
        [3, "difference", 0, 2],
        [4, "difference", 1, 2],
    ]
    with pytest.raises(ConfigError, match="'dog' cannot be held against itself"):
        picture_subjects(PREDICTIONS, MODEL, versus="dog")
    with pytest.raises(ConfigError, match="unknown class 'cat2'; nearest: cat"):
        picture_subjects(PREDICTIONS, MODEL, "cat2")
