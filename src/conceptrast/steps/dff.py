"""Factorize a layer's activations of some pictures, score the concepts and draw them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.base.names import slug
from conceptrast.base.progress import counted
from conceptrast.dff.concept_rows import skipped_rows
from conceptrast.dff.factorized_pictures import PictureCaptions, factorized_pictures
from conceptrast.dff.known_things import KnownThings
from conceptrast.dff.picture_choice import labelled_pictures, predicted_pictures
from conceptrast.dff.picture_groups import FactorizationOptions, arrays_of
from conceptrast.figures.canvas import save_full_png
from conceptrast.figures.dff import dff_sheet, draw_dff
from conceptrast.models.pictures import Pictures
from conceptrast.steps.figure_folder import FigureFolder
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures, if they choose the pictures, and what lies where, if known."""

    predictions: Path | None = None
    truth: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Scores, arrays, and ``<figures>/<picture>.png`` (``all.png`` for shared concepts), which ``manifest`` lists."""

    concepts: Path
    arrays: Path
    figures: Path
    manifest: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the concepts of the chosen pictures. If there are no pictures, the table says why."""
    # Which pictures
    pictures = open_pictures(settings, inputs)
    images, title = _entry_images(pictures, settings, inputs.predictions)
    # Their concepts, and a figure for each group
    folder = FigureFolder(outputs.figures, ("picture", "file"), "[!.]*.png")
    if len(images):
        labels = pictures.table.set_index("image")["label_name"].loc[images].astype(str).tolist()
        names = [f"{image}-{slug(label)}" for image, label in zip(images.tolist(), labels, strict=True)]
        captions = PictureCaptions(names=names, labels=labels, title=counted(len(images), title))
        options = FactorizationOptions(
            n_components=settings["components"],
            shared=settings["shared"],
            seed=settings["seed"],
            precision=settings["precision"],
        )
        concepts = factorized_pictures(pictures, images, layer=settings["layer"], captions=captions, options=options)
        for number, name in enumerate(concepts.figures):
            save_full_png(draw_dff(dff_sheet(concepts.view(number))), folder.add(name, f"{name}.png"))
        arrays = concepts.arrays
        things = None
        if inputs.truth is not None:
            truth = read_table(inputs.truth)
            things = KnownThings.of(pictures, images, concepts.views, truth, precision=settings["precision"])
        table = concepts.table(things)
    else:
        LOGGER.warning("%s: there are no %s", settings["dff"], title)
        arrays = arrays_of([])
        table = skipped_rows(settings["components"], f"there are no {title}")
    write_arrays(outputs.arrays, arrays)
    write_table(table, outputs.concepts)
    folder.finish(outputs.manifest)


def _entry_images(pictures: Pictures, settings: dict[str, Any], predictions: Path | None) -> tuple[np.ndarray, str]:
    """Choose pictures and describe them in words: the first of each label, or some drawn from a predicted class."""
    if predictions is None:
        return labelled_pictures(pictures, settings["images"], settings.get("labels"))
    return predicted_pictures(
        pictures, read_table(predictions), settings["class"], settings["images"], seed=settings["seed"]
    )


if __name__ == "__main__":
    run(main)
