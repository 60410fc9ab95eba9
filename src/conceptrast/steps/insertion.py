"""Paste a crop into images of one class and ask the model whether it says another."""

from __future__ import annotations

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
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    insertion: Path,
    figure: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the probabilities of both classes for every image and condition, and the figure with example images."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    model, seed, precision = pictures.model, settings["seed"], settings["precision"]
    pairs, crop = named_pairs(model, settings["pairs"]), crop_of(settings["crop"]).pixels()
    said, names = read_table(predictions), model.class_names
    least, most = settings["min_images"], settings["images_per_class"]
    images, _ = class_images(said, least, most, seed, len(names), [second for _, second in pairs])
    parts, examples = [], {}
    for pair in pairs:
        if pair[1] not in images:
            few = f"fewer than min_images = {least} images are predicted as the second class"
            parts.append(skipped_insertion(model, pair, few))
            continue
        batches = pictures.of(images[pair[1]], f"pasting into images of {names[pair[1]]}")
        parts.append(insertion_rows(model, batches, crop, settings["corner"], pair, seed, precision))
        examples[pair] = insertion_examples(pictures, parts[-1], crop, settings["corner"], seed)
    table = pd.concat(parts, ignore_index=True)
    save_png(draw_insertion(insertion_summary(table, seed), examples, names, settings["insertion"]), figure)
    write_table(table, insertion)


if __name__ == "__main__":
    run(main)
