"""Train the decoder of a study's layer, and measure how well it reconstructs. A killed training is resumed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conceptrast.base.files import write_table
from conceptrast.counterfactual.decoder import write_decoder
from conceptrast.counterfactual.decoder_reconstruction import (
    mean_picture,
    reconstruction_rows,
    reconstruction_summary,
)
from conceptrast.counterfactual.decoder_training import DecoderOptions, train_decoder
from conceptrast.data.selection import drawn_rows
from conceptrast.models.split import SplitModel
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """``key`` names the code and data that the training uses; a checkpoint with another key is ignored."""

    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The decoder, its epochs, and PSNR, SSIM and the share of pictures that keep their class."""

    decoder: Path
    history: Path
    reconstruction: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Train on drawn pictures of the split ``train``, and measure on drawn pictures of ``validation``."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    split = SplitModel(model, settings["layer"])
    # Which pictures
    seed = settings["seed"]
    train = drawn_rows(pictures.table, "train", settings["decoder"]["images"], seed)
    held_out = drawn_rows(pictures.table, "validation", settings["decoder"]["validation_images"], seed)
    # Training
    options = DecoderOptions.of(settings["decoder"])
    training = TrainingPictures(pictures.dataset, train, model.preprocess, options.batch_size, workers=inputs.workers)
    checkpoint = outputs.decoder.with_name(outputs.decoder.name + ".checkpoint.pt")
    decoder, epochs = train_decoder(model, split, training, options, checkpoint=checkpoint, seed=seed, key=inputs.key)
    # Measuring
    mean = mean_picture(training.in_order())
    batches = pictures.of(held_out["image"].to_numpy(np.int64), "decoding")
    rows = reconstruction_rows(model, split, decoder, batches, mean=mean, precision=settings["precision"])
    summary = reconstruction_summary(rows).assign(n_train=len(train), epochs=len(epochs))
    write_table(epochs, outputs.history)
    write_table(summary, outputs.reconstruction)
    write_decoder(decoder, outputs.decoder)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
