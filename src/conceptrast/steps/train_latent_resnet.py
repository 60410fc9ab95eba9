"""Train the plain classifier beside an autoencoder, from fresh or published weights. A killed training is resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.bias.redrawn_pictures import training_pictures
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.training import TrainOptions, train
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import write_state
from conceptrast.steps.opening import md5_of
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """``key`` names the code and data that the training uses; a checkpoint with another key is ignored."""

    index: Path
    class_names: Path
    key: str = ""
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Trained weights, and a table of epochs."""

    weights: Path
    history: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Train on the ``train`` rows of the index."""
    # The model; what published weights say of classes is not used
    entry = settings["model"]
    model = open_model(
        entry | {"train": None}, class_names=read_json(inputs.class_names), new_head=bool(entry.get("weights"))
    )
    model.module.to(default_device())
    # The pictures
    table = read_table(inputs.index)
    dataset = open_dataset(settings["dataset"], settings["seed"])
    options = TrainOptions.of(entry["train"], settings["precision"])
    training = training_pictures(
        dataset,
        table[table["split"] == "train"],
        model.preprocess,
        options.batch_size,
        workers=inputs.workers,
        redraw_seed=entry["seed"] if settings["redraw"] else None,
    )
    validation = TrainingPictures(
        dataset, table[table["split"] == "validation"], model.preprocess, options.batch_size, workers=inputs.workers
    )
    # Training
    key = f"{inputs.key} {model.preprocess} {json.dumps(settings, sort_keys=True)} {md5_of(table)}"
    checkpoint = outputs.weights.with_name(outputs.weights.name + ".checkpoint.pt")
    epochs = train(model, training, validation, options, checkpoint=checkpoint, seed=entry["seed"], key=key)
    write_table(epochs, outputs.history)
    write_state(model.module.state_dict(), outputs.weights)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
