"""Train a model on a dataset, or its last layer alone; resumes a training that was killed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.models.head import fit_head
from conceptrast.models.inference import default_device
from conceptrast.models.opening import open_model
from conceptrast.models.training import TrainOptions, train
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import write_state
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    weights: Path,
    history: Path,
    key: str = "",
    workers: int = 0,
) -> None:
    """Train ``settings["model"]`` on the ``train`` rows of ``index``; write weights and a table of epochs.

    ``key`` says what code and data the training is made of: a checkpoint of another key is ignored.
    """
    table, seed = read_table(index), settings["seed"]
    entry = {"seed": seed} | settings["model"] | {"train": None}
    options = TrainOptions.of(settings["model"]["train"], settings["precision"])
    only_head = settings["model"]["train"].get("only") == "head"
    model = open_model(entry, class_names=read_json(class_names), new_head=only_head)
    model.module.to(default_device())
    dataset = open_dataset(settings["dataset"], seed)
    training, validation = (
        TrainingPictures(dataset, table[table["split"] == split], model.preprocess, options.batch_size, workers)
        for split in ("train", "validation")
    )
    key += f" {model.preprocess} {json.dumps(settings, sort_keys=True)} "
    key += hashlib.md5(table.to_csv(index=False).encode(), usedforsecurity=False).hexdigest()
    checkpoint = weights.with_name(weights.name + ".checkpoint.pt")
    if only_head:
        epochs = fit_head(model, training, validation, options.precision)
    else:
        epochs = train(model, training, validation, options, checkpoint, entry["seed"], key)
    write_table(epochs, history)
    write_state(model.module.state_dict(), weights)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
