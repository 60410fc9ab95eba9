"""The step of a planted shortcut: rows of every direction, the attack, the figure."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError
from conceptrast.base.files import read_table, write_arrays, write_json, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.shortcut.attack import shortcut_columns
from conceptrast.steps import shortcut as step
from conceptrast.steps import shortcut_tables
from conceptrast.steps.runner import call

from ..headlines import headline_metrics_of

ENTRY = {"kind": "digit_pairs", "train": 0, "validation": 60}
SETTINGS = {
    "study": "pairs",
    "model": {"architecture": "resnet10"},
    "dataset": ENTRY,
    "layer": "layer3",
    "seed": 0,
    "precision": "float32",
    "batch_size": 32,
    "components": "components_channel_k1",
    "hyperplanes": [],
    "shortcut": {
        "concept": "portrait",
        "planted": "3+7",
        "attacked": "3+8",
        "corner": "bottom_right",
        "crop": {"photograph": "astronaut", "box": [50, 160, 140, 140], "size": 32},
    },
}


def files(folder):
    dataset = open_dataset(ENTRY)
    index = dataset.build_index()
    write_table(index.table, folder / "index.parquet")
    write_table(index.truth, folder / "truth.parquet")
    write_json(dataset.class_names, folder / "names.json")
    write_arrays(folder / "components.npz", {"classes": np.array([7]), "components_channel_k1": np.ones((1, 1, 128))})
    inputs = {name: folder / f"{name}.parquet" for name in ("index", "truth")}
    return inputs | {"class_names": folder / "names.json", "components": folder / "components.npz", "hyperplanes": []}


def test_the_step_ranks_with_and_without_the_portrait_and_attacks_the_model(tmp_path):
    inputs = files(tmp_path)
    rows, figure = (tmp_path / name for name in ("rows.csv", "figure.png"))
    call(step.main, SETTINGS, **inputs, shortcut=rows, figure=figure)
    table = read_table(rows)
    assert table.columns.tolist() == shortcut_columns()
    assert table["kind"].tolist() == ["component", "true", "random", "model", "model"]
    truth = read_table(inputs["truth"])
    assert table["n_with"].iloc[0] == truth.loc[truth["concept"] == "portrait", "image"].nunique()
    clean, attacked = table[table["kind"] == "model"].to_dict("records")
    assert clean["n_images"] == attacked["n_images"] <= 6  # of 3+8, those without the portrait
    assert Image.open(figure).size[0] == 1100
    metrics = headline_metrics_of({"shortcut": table})
    assert metrics["pairs/accuracy_attacked"] == attacked["accuracy"]
    assert set(metrics) == {
        f"pairs/{what}_{name}" for what in ("accuracy", "named_planted") for name in ("clean", "attacked")
    }
    call(shortcut_tables.main, {"studies": ["a", "b"]}, shortcuts=[rows, rows], tables=[tmp_path / "all.csv"])
    assert len(read_table(tmp_path / "all.csv")) == 10


def test_an_unknown_class_is_named(tmp_path):
    inputs = files(tmp_path)
    settings = SETTINGS | {"shortcut": SETTINGS["shortcut"] | {"planted": "3+9"}}
    with pytest.raises(ConfigError, match=r"unknown class '3\+9'; nearest: 3\+8"):
        call(step.main, settings, **inputs, shortcut=tmp_path / "rows.csv", figure=tmp_path / "figure.png")
