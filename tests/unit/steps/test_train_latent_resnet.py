"""The step that trains the plain classifier: from fresh weights as the library does, or from published ones."""

from __future__ import annotations

import pytest
import torch

from conceptrast.base.files import read_table, write_json, write_table
from conceptrast.bias.redrawn_pictures import RedrawnPictures
from conceptrast.data.dataset import open_dataset
from conceptrast.models import load_model
from conceptrast.models.opening import open_model
from conceptrast.models.training import TrainOptions, train
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import read_state
from conceptrast.steps import train_latent_resnet as step
from conceptrast.steps.runner import call

ENTRY = {"kind": "rotated_pair", "train": 16, "validation": 4}
DATASET = open_dataset(ENTRY, 3)
TABLE = DATASET.build_index().table


def carried_out(tmp_path, redraw=False, **model):
    write_table(TABLE, index := tmp_path / "index.parquet")
    write_json(["3", "4"], names := tmp_path / "names.json")
    options = {"epochs": 1, "batch_size": 8, "learning_rate": 0.05, "precision": "float32", "dataset": ""}
    entry = {"input_size": 32, "seed": 5, "train": options, **model}
    settings = {"model": entry, "dataset": ENTRY, "seed": 3, "precision": "float32", "redraw": redraw}
    weights = tmp_path / "w.safetensors"
    history = tmp_path / "h.csv"
    call(step.main, settings, index=index, class_names=names, weights=weights, history=history)
    assert len(read_table(history)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"index.parquet", "names.json", "w.safetensors", "h.csv"}
    return entry, read_state(weights)


@pytest.mark.parametrize("redraw", [False, True])
def test_the_step_gives_the_weights_of_the_library(tmp_path, redraw):
    entry, state = carried_out(tmp_path, redraw, architecture="resnet10")
    model = load_model("resnet10", class_names=["3", "4"], input_size=32, seed=5)
    training, validation = (TABLE[TABLE["split"] == split] for split in ("train", "validation"))
    pictures = (
        RedrawnPictures(DATASET, training, model.preprocess, 8, seed=5)
        if redraw
        else TrainingPictures(DATASET, training, model.preprocess, 8)
    )
    options = TrainOptions.of(entry["train"], "float32")
    train(model, pictures, TrainingPictures(DATASET, validation, model.preprocess, 8), options, seed=5)
    assert all(torch.equal(value, state[name]) for name, value in model.module.state_dict().items())


def test_published_weights_are_where_the_training_starts_and_the_head_is_new(tmp_path):
    options = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-9, "precision": "float32", "dataset": ""}
    entry, state = carried_out(tmp_path, architecture="efficientnet_lite0", weights="package", train=options)
    published = load_model("efficientnet_lite0", weights="package").module.state_dict()
    convolutions = [name for name, value in published.items() if value.ndim == 4]
    assert convolutions
    assert all(torch.allclose(state[name], published[name], atol=1e-5) for name in convolutions)
    opened = open_model(entry, tmp_path / "w.safetensors", ["3", "4"])
    assert opened.class_names == ["3", "4"]
    assert opened.module(torch.zeros(1, 3, 32, 32)).shape == (1, 2)
