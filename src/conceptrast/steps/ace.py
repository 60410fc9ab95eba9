"""Find the concepts of a study's named classes among superpixels of their images, and test them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.ace.card_evidence import ace_card
from conceptrast.ace.cav_arrays import cav_arrays
from conceptrast.ace.class_concepts import AceRun, concepts_of_classes
from conceptrast.ace.class_tables import concept_tables, tables_without_images
from conceptrast.ace.options import AceOptions
from conceptrast.ace.recovery import labels_of
from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.base.names import file_name
from conceptrast.concepts.known_boxes import refuse_resized
from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.data.selection import class_images
from conceptrast.figures.ace import draw_ace_card
from conceptrast.figures.canvas import save_png
from conceptrast.models.split import SplitModel
from conceptrast.steps.figure_folder import CLASSES, FigureFolder
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures. With ``truth``, tables say what the concepts show."""

    predictions: Path
    truth: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """CAVs of the first shape of segments, the table of all shapes, and figures, which ``manifest`` lists."""

    cavs: Path
    concepts: Path
    figures: Path
    manifest: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the concepts of every named class with images, and say why the other classes have none."""
    pictures = open_pictures(settings, inputs)
    names = pictures.model.class_names
    options = AceOptions.of(settings["ace"])
    # Which images
    predictions = read_table(inputs.predictions)
    images, few = class_images(
        predictions,
        settings["min_images"],
        options.images,
        settings["seed"],
        n_classes=len(names),
        classes=dict.fromkeys(pictures.model.class_indices(settings["classes"]) or ()),
    )
    # What is known about them
    known = None
    labels = None
    if inputs.truth is not None:
        refuse_resized(pictures.dataset, pictures.table, pictures.model.preprocess)
        truth = read_table(inputs.truth)
        known = concepts_by_class(pictures.table, truth, names)
        labels = labels_of(truth)
    # Their concepts
    classes = concepts_of_classes(
        pictures,
        SplitModel(pictures.model, settings["layer"]),
        predictions,
        images,
        options=options,
        run=AceRun(seed=settings["seed"], precision=settings["precision"], labels=labels),
    )
    folder = FigureFolder(outputs.figures, CLASSES, "[0-9]*-*.png")
    tables = []
    main_concepts = []
    for concepts in classes:
        name = names[concepts.target]
        tables += concept_tables(concepts, name, known)
        main_concepts.append(concepts.concepts[0])
        figure = draw_ace_card(ace_card(pictures, concepts, options, settings["study"]))
        save_png(figure, folder.add(concepts.target, name, file_name(concepts.target, name)))
    # Classes without images
    for target, n_images in few.itertuples(index=False):
        reason = f"{n_images} images are predicted as it, fewer than min_images = {settings['min_images']}"
        LOGGER.warning("%s has no concepts: %s", names[target], reason)
        tables += tables_without_images(target, names[target], options.segments_as, reason)
    write_arrays(outputs.cavs, cav_arrays(main_concepts, names))
    write_table(pd.concat(tables, ignore_index=True), outputs.concepts)
    folder.finish(outputs.manifest)


if __name__ == "__main__":
    run(main)
