"""Compare the components of each class with what is known to be in its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.concepts.known_boxes import refuse_resized
from conceptrast.concepts.recovery import concept_recovery
from conceptrast.data.dataset import open_dataset
from conceptrast.models.opening import open_model
from conceptrast.steps.opening import PictureInputs
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the objects in the pictures with their places, and the patches of all components."""

    truth: Path
    prototypes: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Two tables: a row for each class, recipe and concept, and a row for each class, recipe and component."""

    recovery: Path
    purity: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write which concepts the components find, and how pure each component is."""
    class_names = read_json(inputs.class_names)
    table = read_table(inputs.index)
    model = open_model(settings["model"], inputs.weights, class_names)
    refuse_resized(open_dataset(settings["dataset"], settings["seed"]), table, model.preprocess)
    recovery, purity = concept_recovery(read_table(inputs.prototypes), table, read_table(inputs.truth), class_names)
    write_table(purity, outputs.purity)
    write_table(recovery, outputs.recovery)


if __name__ == "__main__":
    run(main)
