"""Train the network that reads how far the control's pictures are turned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.backbone import open_backbone
from conceptrast.bias.rotation_regressor import RegressorOptions, RotationRegressor, train_rotation_regressor
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import default_device
from conceptrast.models.weights import write_state
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The index of the control's pictures, and weights of the backbone if the workflow trains it."""

    index: Path
    backbone: Path | None = None
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Trained weights, and a table of epochs."""

    weights: Path
    history: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Train on the ``train`` rows of the index."""
    network = settings["network"]
    backbone = None if network["backbone"] is None else open_backbone(network["backbone"], inputs.backbone)
    regressor = RotationRegressor(network["size"], settings["seed"], backbone).to(default_device())
    epochs = train_rotation_regressor(
        regressor,
        open_dataset(settings["dataset"], settings["seed"]),
        read_table(inputs.index),
        RegressorOptions(**settings["regressor"]),
        seed=settings["seed"],
    )
    write_table(epochs, outputs.history)
    write_state(regressor.state_dict(), outputs.weights)


if __name__ == "__main__":
    run(main)
