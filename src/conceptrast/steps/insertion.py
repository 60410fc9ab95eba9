"""Paste a crop into images of one class and ask the model whether it says another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.contrast.crops import crop_of
from conceptrast.contrast.insertion import insertion_examples, insertion_rows, insertion_summary, skipped_insertion
from conceptrast.contrast.pairs import named_pairs
from conceptrast.data.selection import class_images
from conceptrast.figures.canvas import save_png
from conceptrast.figures.insertion import draw_insertion
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures."""

    predictions: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Probabilities of both classes for every image and condition, and the figure with example images."""

    insertion: Path
    figure: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Paste the crop into images of the second class of every named pair."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    seed = settings["seed"]
    # Which images
    pairs = named_pairs(model, settings["pairs"])
    images, _ = class_images(
        read_table(inputs.predictions),
        settings["min_images"],
        settings["images_per_class"],
        seed,
        n_classes=len(model.class_names),
        classes=[second for _, second in pairs],
    )
    # Every pair
    crop = crop_of(settings["crop"]).pixels()
    few = f"fewer than min_images = {settings['min_images']} images are predicted as the second class"
    parts = []
    examples = {}
    for pair in pairs:
        if pair[1] not in images:
            parts.append(skipped_insertion(model, pair, few))
            continue
        batches = pictures.of(images[pair[1]], f"pasting into images of {model.class_names[pair[1]]}")
        rows = insertion_rows(
            model,
            batches,
            crop,
            settings["corner"],
            pair=pair,
            seed=seed,
            precision=settings["precision"],
        )
        parts.append(rows)
        examples[pair] = insertion_examples(pictures, rows, crop, settings["corner"], seed=seed)
    table = pd.concat(parts, ignore_index=True)
    summary = insertion_summary(table, seed)
    save_png(draw_insertion(summary, examples, model.class_names, settings["insertion"]), outputs.figure)
    write_table(table, outputs.insertion)


if __name__ == "__main__":
    run(main)
