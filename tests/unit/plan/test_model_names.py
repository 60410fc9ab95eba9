"""Datasets take class names from the models of their studies, where a class file may name classes by name."""

from __future__ import annotations

from typing import Any

import pytest

from conceptrast.plan.plan import model_names_for

STUDY = {"model": "net", "dataset": "mine"}


@pytest.mark.parametrize(
    ("dataset", "model", "names"),
    [
        ({"class_file": "classes.csv"}, {"weights": "IMAGENET1K_V1"}, "imagenet"),
        ({"class_file": "classes.csv"}, {"weights": "my/weights.pth", "class_names": ["owl", "ant"]}, ["owl", "ant"]),
        ({"class_file": "classes.csv"}, {"weights": "my/weights.pth"}, None),
        ({"class_file": "classes.csv"}, {"weights": "IMAGENET1K_V1", "class_names": "names.json"}, None),
        ({"class_file": "classes.csv"}, {"weights": "package", "train": {"only": "head"}}, None),
        ({"class_file": "classes.csv", "class_names": ["a"]}, {"weights": "IMAGENET1K_V1"}, None),
        ({}, {"weights": "IMAGENET1K_V1"}, None),
    ],
)
def test_names_come_from_the_model_where_it_has_them(
    dataset: dict[str, Any], model: dict[str, Any], names: Any
) -> None:
    config = {"datasets": {"mine": dataset}, "models": {"net": model}, "studies": {"a": STUDY, "b": STUDY}}
    assert model_names_for(config, "mine") == names


def test_two_models_give_none() -> None:
    studies = {"a": STUDY, "b": {**STUDY, "model": "other"}}
    models = {"net": {"weights": "IMAGENET1K_V1"}, "other": {"weights": "IMAGENET1K_V2"}}
    config = {"datasets": {"mine": {"class_file": "classes.csv"}}, "models": models, "studies": studies}
    assert model_names_for(config, "mine") is None
