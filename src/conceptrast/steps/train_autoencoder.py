"""Train an adversarial autoencoder on rotated pictures. A killed training is resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.autoencoder_phases import AutoencoderOptions
from conceptrast.bias.autoencoder_training import train_autoencoder
from conceptrast.bias.backbone import open_backbone
from conceptrast.bias.redrawn_pictures import training_pictures
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import default_device
from conceptrast.models.weights import write_state
from conceptrast.steps.opening import md5_of
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Index of the pictures, and weights of the backbone if the workflow trains it.

    ``key`` names the code and data that the training uses; a checkpoint with another key is ignored.
    """

    index: Path
    backbone: Path | None = None
    key: str = ""
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Trained weights, and a table of epochs."""

    weights: Path
    history: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Train on the ``train`` rows of the index."""
    # The network and the pictures
    table = read_table(inputs.index)
    entry = dict(settings["autoencoder"])
    options = AutoencoderOptions(**entry.pop("epochs"), **entry)
    network = settings["network"]
    backbone = None if network["backbone"] is None else open_backbone(network["backbone"], inputs.backbone)
    autoencoder = Autoencoder(network["size"], settings["network_seed"], network["decoder"], backbone)
    autoencoder.to(default_device())
    pictures = training_pictures(
        open_dataset(settings["dataset"], settings["seed"]),
        table[table["split"] == "train"],
        autoencoder.preprocess,
        options.batch_size,
        workers=inputs.workers,
        redraw_seed=settings["network_seed"] if settings["redraw"] else None,
    )
    # Training
    key = f"{inputs.key} {json.dumps(settings, sort_keys=True)} {md5_of(table)}"
    checkpoint = outputs.weights.with_name(outputs.weights.name + ".checkpoint.pt")
    epochs = train_autoencoder(
        autoencoder, pictures, options, checkpoint=checkpoint, seed=settings["network_seed"], key=key
    )
    write_table(epochs, outputs.history)
    write_state(autoencoder.state_dict(), outputs.weights)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
