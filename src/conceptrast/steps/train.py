"""Train a model on a dataset, or only its last layer. A killed training is resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.models.head import fit_head
from conceptrast.models.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.training import TrainOptions, train
from conceptrast.models.training_pictures import MEMORY, TrainingPictures
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
    """Train ``settings["model"]`` on the ``train`` rows of the index."""
    # The model
    only_head = settings["model"]["train"].get("only") == "head"
    entry = {"seed": settings["seed"]} | settings["model"] | {"train": None}
    model = open_model(entry, class_names=read_json(inputs.class_names), new_head=only_head)
    model.module.to(default_device())
    # The pictures
    table = read_table(inputs.index)
    dataset = open_dataset(settings["dataset"], settings["seed"])
    options = TrainOptions.of(settings["model"]["train"], settings["precision"])
    training, validation = (
        TrainingPictures(
            dataset,
            table[table["split"] == split],
            model.preprocess,
            options.batch_size,
            workers=inputs.workers,
            memory=0 if only_head else MEMORY,  # a head reads every picture once, so keeping them gains nothing
        )
        for split in ("train", "validation")
    )
    # Training
    key = f"{inputs.key} {model.preprocess} {json.dumps(settings, sort_keys=True)} {md5_of(table)}"
    checkpoint = outputs.weights.with_name(outputs.weights.name + ".checkpoint.pt")
    if only_head:
        epochs = fit_head(model, training, validation, options.precision)
    else:
        epochs = train(model, training, validation, options, checkpoint=checkpoint, seed=entry["seed"], key=key)
    write_table(epochs, outputs.history)
    write_state(model.module.state_dict(), outputs.weights)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
