"""The step that trains a network or fits its head: its files, the key of its checkpoint, and predictions after it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from conceptrast.base.files import read_table, write_json, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import predict
from conceptrast.models.opening import load_model, open_model
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import read_state, write_state
from conceptrast.steps import predict as predict_step
from conceptrast.steps import train as train_step
from conceptrast.steps.runner import call

ENTRY = {"kind": "digit_pairs", "train": 40, "validation": 10}
DATASET = open_dataset(ENTRY, seed=2)
TABLE = DATASET.build_index().table


def test_the_key_of_a_checkpoint_says_code_data_and_options(tmp_path, monkeypatch):
    write_table(TABLE, index := tmp_path / "index.parquet")
    write_json(DATASET.class_names, names := tmp_path / "class_names.json")
    keys = []

    def record(model, training, validation, options, checkpoint, seed, key):
        keys.append(key)
        return pd.DataFrame()

    monkeypatch.setattr(train_step, "train", record)
    entry = {"architecture": "resnet10", "input_size": 32, "train": {"dataset": "d", "epochs": 1}}
    for key, options in (("code1/data", {}), ("code2/data", {}), ("code1/data", {"width": 2})):
        settings = {"model": {**entry, "options": options}, "dataset": ENTRY, "seed": 2, "precision": "float32"}
        call(
            train_step.main,
            settings,
            index=index,
            class_names=names,
            weights=tmp_path / "m.safetensors",
            history=tmp_path / "m.csv",
            key=key,
        )
    assert len(set(keys)) == 3


def test_steps_train_and_predict(tmp_path):
    write_table(TABLE, index := tmp_path / "index.parquet")
    write_json(DATASET.class_names, names := tmp_path / "class_names.json")
    model = {"architecture": "resnet10", "input_size": 32, "train": {"dataset": "d", "epochs": 1, "batch_size": 16}}
    settings = {"model": model, "dataset": ENTRY, "seed": 2, "precision": "float32", "batch_size": 4}
    weights = tmp_path / "m.safetensors"
    history = tmp_path / "m.training.csv"
    call(train_step.main, settings, index=index, class_names=names, weights=weights, history=history)
    assert len(read_state(weights)) == len(
        load_model("resnet10", class_names=DATASET.class_names, input_size=32).module.state_dict()
    )
    assert sorted(path.name for path in tmp_path.iterdir() if "checkpoint" in path.name) == []
    predictions = tmp_path / "predictions.parquet"
    call(predict_step.main, settings, index=index, class_names=names, predictions=predictions, weights=weights)
    predictions = read_table(tmp_path / "predictions.parquet")
    assert list(predictions.columns) == ["image", "label", "predicted", "probability"]
    validation = TABLE[TABLE["split"] == "validation"]
    assert predictions["image"].tolist() == validation["image"].tolist()
    assert predictions["label"].tolist() == validation["label"].tolist()
    reopened = load_model("resnet10", weights, class_names=DATASET.class_names, input_size=32)
    pictures = TrainingPictures(DATASET, validation, reopened.preprocess, 16)
    views, _ = next(pictures.batches(torch.arange(10)))
    expected = predict(reopened, [(validation["image"].to_numpy(), views)])
    assert predictions["predicted"].tolist() == expected["predicted"].tolist()
    accuracy = (predictions["label"] == predictions["predicted"]).mean()
    assert read_table(history)["validation_accuracy"].iloc[-1] == accuracy


def test_the_step_fits_a_head_that_studies_can_open(tmp_path: Path) -> None:
    source = load_model("resnet10", class_names=["a", "b", "c"], input_size=32, seed=5)
    write_state(source.module.state_dict(), body := tmp_path / "body.safetensors")
    entry = {"architecture": "resnet10", "weights": str(body), "input_size": 32}
    entry["train"] = {"dataset": "d", "only": "head", "batch_size": 8, "precision": "float32"}
    dataset = {"kind": "photographs", "names": ["cat", "coffee"]}
    table = pd.DataFrame({"image": range(4), "path": ["skimage/data/chelsea.png", "skimage/data/coffee.png"] * 2})
    table = table.assign(label=[0, 1, 0, 1], label_name=["cat", "coffee"] * 2, split=["train"] * 2 + ["validation"] * 2)
    write_table(table, index := tmp_path / "index.parquet")
    write_json(["cat", "coffee"], names := tmp_path / "class_names.json")
    settings = {"model": entry, "dataset": dataset, "seed": 0, "precision": "float32"}
    weights = tmp_path / "net.safetensors"
    history = tmp_path / "net.training.csv"
    call(train_step.main, settings, index=index, class_names=names, weights=weights, history=history)
    assert read_table(history)[["epoch", "validation_accuracy"]].to_numpy().tolist() == [[1, 1]]
    fitted = open_model(entry, weights, ["cat", "coffee"])
    assert fitted.module.fc.out_features == 2
    assert torch.equal(fitted.module.conv1.weight, source.module.conv1.weight)
    assert not list(tmp_path.glob("*.checkpoint.pt"))
