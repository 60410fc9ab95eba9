"""Paste a crop, or the patch of each component, into images of one class: does the model say another?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.contrast.cards import InsertionExample
from conceptrast.contrast.components import SIDES, patches_of_pair
from conceptrast.contrast.crops import crop_of, size_of
from conceptrast.contrast.insertion import (
    insertion_examples,
    insertion_rows,
    insertion_summary,
    patch_crops,
    skipped_insertion,
)
from conceptrast.contrast.pairs import Pair, named_pairs
from conceptrast.data.selection import class_images
from conceptrast.figures.canvas import save_png
from conceptrast.figures.insertion import draw_insertion
from conceptrast.models.pictures import Pictures
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run

NO_COMPONENTS = "the study has no components that speak for the first class and against the second"


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures, and the patches of components where these are pasted."""

    predictions: Path
    prototypes: Path | None = None


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
    few = f"fewer than min_images = {settings['min_images']} images are predicted as the second class"
    parts = []
    examples: dict[tuple[int, ...], list[InsertionExample]] = {}
    for pair in pairs:
        crops = _crops(pictures, settings["crop"], inputs.prototypes, pair)
        if pair[1] not in images or not crops:
            parts.append(skipped_insertion(model, pair, few if crops else NO_COMPONENTS))
            continue
        for component, crop in crops.items():
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
            examples[pair + component] = insertion_examples(pictures, rows, crop, settings["corner"], seed=seed)
            parts.append(rows.assign(component=component[0]) if component else rows)
    table = pd.concat(parts, ignore_index=True)
    summary = insertion_summary(table, seed)
    save_png(draw_insertion(summary, examples, model.class_names, settings["insertion"]), outputs.figure)
    write_table(table, outputs.insertion)


def _crops(
    pictures: Pictures, settings: Mapping[str, Any], prototypes: Path | None, pair: Pair
) -> dict[tuple[int, ...], np.ndarray]:
    """The crops by component: the patches of those that speak for A; or the one picture, by an empty key."""
    if prototypes is None:
        return {(): crop_of(settings).pixels()}
    patches = patches_of_pair(read_table(prototypes), pair)
    crops = patch_crops(pictures, patches[patches["side"] == SIDES[0]], size_of(settings))
    return {(component,): crop for component, crop in crops.items()}


if __name__ == "__main__":
    run(main)
