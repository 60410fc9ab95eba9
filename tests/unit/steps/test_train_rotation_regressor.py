"""The step that trains the regressor of rotations: the weights of the library, and its history."""

from __future__ import annotations

import torch

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.rotation_regressor import RegressorOptions, RotationRegressor, train_rotation_regressor
from conceptrast.data.dataset import open_dataset
from conceptrast.models.weights import read_state
from conceptrast.steps import train_rotation_regressor as step
from conceptrast.steps.runner import call


def test_the_step_writes_the_weights_of_the_library_and_the_history(tmp_path):
    entry = {"kind": "rotated_pair", "train": 20, "validation": 8, "biased": False}
    dataset = open_dataset(entry, 3)
    table = dataset.build_index().table
    write_table(table, index := tmp_path / "index.parquet")
    settings = {"dataset": entry, "size": 8, "seed": 3, "regressor": {"epochs": 2, "batch_size": 8}}
    weights = tmp_path / "w.safetensors"
    history = tmp_path / "h.csv"
    call(step.main, settings, index=index, weights=weights, history=history)
    regressor = RotationRegressor(8, seed=3)
    train_rotation_regressor(regressor, dataset, table, RegressorOptions(epochs=2, batch_size=8), seed=3)
    assert all(torch.equal(value, read_state(weights)[name]) for name, value in regressor.state_dict().items())
    assert read_table(history).columns.tolist() == ["epoch", "train_loss", "error"]
