"""The step that trains an autoencoder: the weights of the library, the history, and no checkpoint left."""

from __future__ import annotations

import torch

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.autoencoder_phases import AutoencoderOptions
from conceptrast.bias.autoencoder_training import train_autoencoder
from conceptrast.data.dataset import open_dataset
from conceptrast.models import load_model
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import read_state, write_state
from conceptrast.steps import train_autoencoder as train_step
from conceptrast.steps.runner import call

ENTRY = {"kind": "rotated_pair", "train": 44, "validation": 4}
DATASET = open_dataset(ENTRY)
TABLE = DATASET.build_index().table


def test_the_step_writes_weights_and_history_and_clears_its_checkpoint(tmp_path):
    write_table(TABLE, index := tmp_path / "index.parquet")
    epochs = {"reconstruction": 2, "adversarial": 1, "classification": 2}
    entry = {"epochs": epochs, "batch_size": 16, "patience": 3, "learning_rate": 0.001, "precision": "float32"}
    network = {"size": 8, "decoder": "mirrored", "backbone": None}
    settings = {
        "dataset": ENTRY,
        "network": network,
        "seed": 0,
        "network_seed": 0,
        "redraw": False,
        "autoencoder": entry,
    }
    weights = tmp_path / "w.safetensors"
    history = tmp_path / "h.csv"
    call(train_step.main, settings, index=index, weights=weights, history=history)
    options = AutoencoderOptions(reconstruction=2, adversarial=1, classification=2, batch_size=16)
    network = Autoencoder(8, seed=0)
    pictures = TrainingPictures(DATASET, TABLE[TABLE["split"] == "train"], plain_preprocess(8), options.batch_size)
    train_autoencoder(network, pictures, options)
    assert all(torch.equal(value, read_state(weights)[name]) for name, value in network.state_dict().items())
    assert len(read_table(history)) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"index.parquet", "w.safetensors", "h.csv"}


def test_the_encoder_starts_from_the_weights_of_a_trained_model_in_its_size(tmp_path):
    write_table(TABLE, index := tmp_path / "index.parquet")
    trained = load_model("resnet10", class_names=["a", "b", "c"], input_size=32, seed=5).module
    write_state(trained.state_dict(), tmp_path / "trained.safetensors")
    epochs = {"reconstruction": 0, "adversarial": 0, "classification": 1}
    entry = {"epochs": epochs, "batch_size": 16, "learning_rate": 1e-12}
    model = {"architecture": "resnet10", "input_size": 32, "train": {"dataset": "pairs"}}
    network = {"size": 8, "decoder": "published", "backbone": {"model": model, "layer": "layer2"}}
    settings = {
        "dataset": ENTRY,
        "network": network,
        "seed": 0,
        "network_seed": 0,
        "redraw": True,
        "autoencoder": entry,
    }
    call(
        train_step.main,
        settings,
        index=index,
        backbone=tmp_path / "trained.safetensors",
        weights=(weights := tmp_path / "w.safetensors"),
        history=tmp_path / "h.csv",
    )
    state = read_state(weights)
    torch.testing.assert_close(state["encoder.trunk.conv1.weight"], trained.state_dict()["conv1.weight"])
    assert state["decoder.0.weight"].shape == (16, 128)
