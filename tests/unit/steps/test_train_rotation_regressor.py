"""The step that trains the regressor of rotations: the weights of the library, and its history."""

from __future__ import annotations

import torch

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.network_spaces import open_regressor
from conceptrast.bias.rotation_regressor import RegressorOptions, RotationRegressor, train_rotation_regressor
from conceptrast.data.dataset import open_dataset
from conceptrast.models import load_model
from conceptrast.models.weights import read_state
from conceptrast.steps import train_rotation_regressor as step
from conceptrast.steps.runner import call


def test_the_step_writes_the_weights_of_the_library_and_the_history(tmp_path):
    entry = {"kind": "rotated_pair", "train": 20, "validation": 8, "biased": False}
    dataset = open_dataset(entry, 3)
    table = dataset.build_index().table
    write_table(table, index := tmp_path / "index.parquet")
    settings = {
        "dataset": entry,
        "network": {"size": 8, "backbone": None},
        "seed": 3,
        "regressor": {"epochs": 2, "batch_size": 8},
    }
    weights = tmp_path / "w.safetensors"
    history = tmp_path / "h.csv"
    call(step.main, settings, index=index, weights=weights, history=history)
    regressor = RotationRegressor(8, seed=3)
    train_rotation_regressor(regressor, dataset, table, RegressorOptions(epochs=2, batch_size=8), seed=3)
    assert all(torch.equal(value, read_state(weights)[name]) for name, value in regressor.state_dict().items())
    assert read_table(history).columns.tolist() == ["epoch", "train_loss", "error"]


def test_it_starts_from_a_model_whose_size_the_pictures_are_brought_to(tmp_path):
    entry = {"kind": "rotated_pair", "train": 20, "validation": 8, "biased": False}
    write_table(open_dataset(entry, 3).build_index().table, index := tmp_path / "index.parquet")
    model = {"architecture": "resnet10", "input_size": 32, "seed": 5}
    network = {"size": 8, "backbone": {"model": model, "layer": "layer2"}}
    options = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-12}
    settings = {"dataset": entry, "network": network, "seed": 3, "regressor": options}
    call(step.main, settings, index=index, weights=(weights := tmp_path / "w.safetensors"), history=tmp_path / "h.csv")
    start = load_model("resnet10", class_names=["1", "2"], input_size=32, seed=5).module.state_dict()
    torch.testing.assert_close(read_state(weights)["encoder.trunk.conv1.weight"], start["conv1.weight"])
    regressor = open_regressor(weights, network, torch.device("cpu"))
    assert regressor(torch.rand(2, 3, 8, 8)).shape == (2, 2)
