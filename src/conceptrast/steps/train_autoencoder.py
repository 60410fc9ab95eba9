"""Train an adversarial autoencoder on rotated pictures; resumes a training that was killed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.autoencoder_phases import AutoencoderOptions
from conceptrast.bias.autoencoder_training import train_autoencoder
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import default_device
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import write_state
from conceptrast.steps.runner import run


def main(settings: dict[str, Any], index: Path, weights: Path, history: Path, key: str = "", workers: int = 0) -> None:
    """Train on the ``train`` rows of ``index``; write weights and a table of epochs.

    ``key`` says what code and data the training is made of: a checkpoint of another key is ignored.
    """
    table, seed = read_table(index), settings["network_seed"]
    given = dict(settings["autoencoder"])
    options = AutoencoderOptions(**given.pop("epochs"), **given)
    autoencoder = Autoencoder(settings["size"], seed).to(default_device())
    dataset, shown = open_dataset(settings["dataset"], settings["seed"]), table[table["split"] == "train"]
    pictures = TrainingPictures(dataset, shown, plain_preprocess(settings["size"]), options.batch_size, workers)
    key += f" {json.dumps(settings, sort_keys=True)} "
    key += hashlib.md5(table.to_csv(index=False).encode(), usedforsecurity=False).hexdigest()
    checkpoint = weights.with_name(weights.name + ".checkpoint.pt")
    epochs = train_autoencoder(autoencoder, pictures, options, checkpoint, seed, key)
    write_table(epochs, history)
    write_state(autoencoder.state_dict(), weights)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
