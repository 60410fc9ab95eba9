"""The step that counts what is taken for what: one table for all models, a figure of every model."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from conceptrast.base.errors import ModelError
from conceptrast.base.files import read_table, write_json, write_table
from conceptrast.models.confusion import COLUMNS
from conceptrast.steps import confusion as step
from conceptrast.steps.runner import call

from ..models.four_animals import NAMES, PREDICTIONS


def test_the_step_writes_one_table_and_a_figure_of_every_model(tmp_path: Path):
    write_table(PREDICTIONS, one := tmp_path / "one.parquet")
    write_table(PREDICTIONS.assign(predicted=0), other := tmp_path / "other.parquet")
    write_json(NAMES, names := tmp_path / "class_names.json")
    write_json(["A", "B", "C", "D"], tmp_path / "own.json")
    models = [
        {"name": "net", "dataset": "animals", "class_names": None},
        {"name": "file", "dataset": "animals", "class_names": str(tmp_path / "own.json")},
        {"name": "list", "dataset": "animals", "class_names": ["w", "x", "y", "z"]},
    ]
    figures = [tmp_path / f"{model['name']}.png" for model in models]
    files = {"predictions": [one, other, other], "class_names": [names] * 3, "tables": [tmp_path / "confusion.csv"]}
    call(step.main, {"models": models}, **files, figures=figures)
    table = read_table(tmp_path / "confusion.csv")
    assert list(table) == ["model", *COLUMNS]
    assert table.groupby("model", sort=False).size().to_dict() == {"net": 6, "file": 3, "list": 3}
    assert table[table["model"] != "net"]["predicted_name"].tolist() == ["A"] * 3 + ["w"] * 3
    assert table["label_name"].isin(NAMES).all()
    assert all(Image.open(figure).width > 400 for figure in figures)
    write_json({"A": 0}, tmp_path / "own.json")
    with pytest.raises(ModelError, match=r"own\.json must hold a JSON list of class names"):
        call(step.main, {"models": models}, **files, figures=figures)
