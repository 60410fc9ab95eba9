"""Train the decoder of a study's layer and measure how well it reconstructs; resumes a training that was killed."""

from __future__ import annotations

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
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    decoder: Path,
    history: Path,
    reconstruction: Path,
    weights: Path | None = None,
    key: str = "",
    workers: int = 0,
) -> None:
    """Write the decoder, its epochs, and PSNR, SSIM and share of pictures that keep their class.

    ``key`` says what code and data the training is made of: a checkpoint of another key is ignored.
    """
    pictures = open_pictures(settings, index, class_names, weights, workers)
    split, chosen = SplitModel(pictures.model, settings["layer"]), settings["decoder"]
    options = DecoderOptions.of(chosen)
    seed, precision = settings["seed"], settings["precision"]
    train, held_out = (
        drawn_rows(pictures.table, part, chosen[most], seed)
        for part, most in (("train", "images"), ("validation", "validation_images"))
    )
    training = TrainingPictures(pictures.dataset, train, pictures.model.preprocess, options.batch_size, workers)
    checkpoint = decoder.with_name(decoder.name + ".checkpoint.pt")
    found, epochs = train_decoder(pictures.model, split, training, options, checkpoint, seed, key)
    mean = mean_picture(pictures.of(train["image"].to_numpy(np.int64)))
    batches = pictures.of(held_out["image"].to_numpy(np.int64), "decoding")
    summary = reconstruction_summary(reconstruction_rows(pictures.model, split, found, batches, mean, precision))
    write_table(epochs, history)
    write_table(summary.assign(n_train=len(train), epochs=len(epochs)), reconstruction)
    write_decoder(found, decoder)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
