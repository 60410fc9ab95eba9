"""Predict the class of every picture of a dataset's split ``validation``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.errors import DataError
from conceptrast.base.files import atomic, write_table
from conceptrast.models.inference import predict
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """``key`` is the fingerprint of the model's own files."""

    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``fingerprint`` stores the key for clones without the weights."""

    predictions: Path
    fingerprint: Path | None = None


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write image, label, predicted, probability for the rows of the split ``validation``."""
    pictures = open_pictures(settings, inputs)
    table = pictures.table[pictures.table["split"] == "validation"]
    if table.empty:
        raise DataError("the dataset has no pictures in its split 'validation'")
    predictions = predict(pictures.model, pictures.of(table["image"].to_numpy(), "predicting"), settings["precision"])
    predictions.insert(1, "label", table["label"].to_numpy())
    write_table(predictions, outputs.predictions)
    if outputs.fingerprint is not None:
        with atomic(outputs.fingerprint) as part:
            part.write_text(inputs.key)


if __name__ == "__main__":
    run(main)
