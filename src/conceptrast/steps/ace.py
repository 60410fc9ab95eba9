"""Find the concepts of a study's named classes among superpixels of their images, and test them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.ace.card_evidence import ace_card
from conceptrast.ace.cav_arrays import cav_arrays
from conceptrast.ace.class_concepts import AceOptions, concepts_of_classes
from conceptrast.ace.concepts import no_concepts
from conceptrast.ace.recovery import described, labels_of
from conceptrast.ace.settings import AceSettings
from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.base.names import file_name
from conceptrast.concepts.recovery import concepts_by_class, refuse_other_size
from conceptrast.data.selection import class_images
from conceptrast.figures.ace import draw_ace_card
from conceptrast.figures.canvas import save_png
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import LOGGER, run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    cavs: Path,
    concepts: Path,
    figures: Path,
    manifest: Path,
    truth: Path | None = None,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the CAVs of the first shape of segments, the table of all, ``<figures>/<class>.png`` and ``manifest``."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    names, how, seed = pictures.model.class_names, AceSettings.of(settings["ace"]), settings["seed"]
    wanted, said = dict.fromkeys(pictures.model.class_indices(settings["classes"]) or ()), read_table(predictions)
    images, few = class_images(said, settings["min_images"], how.images, seed, len(names), wanted)
    known, labels = {}, None
    if truth is not None:
        width, height = pictures.dataset.picture(pictures.table.iloc[0]).size
        refuse_other_size((height, width), pictures.model.preprocess.size)
        boxes = read_table(truth)
        known, labels = concepts_by_class(pictures.table, boxes, names), labels_of(boxes)
    options = AceOptions(seed=seed, precision=settings["precision"], labels=labels)
    split = SplitModel(pictures.model, settings["layer"])
    stream = concepts_of_classes(pictures, split, said, images, settings=how, options=options)
    figures.mkdir(parents=True, exist_ok=True)
    tables, main_concepts, files = [], [], []
    for found in stream:
        for each in found.concepts:
            rows = each.table if labels is None else described(each, found.segments, known.get(found.target, []))
            tables.append(_named(rows, found.target, names))
        main_concepts.append(found.concepts[0])
        files.append((found.target, names[found.target], file_name(found.target, names[found.target])))
        save_png(draw_ace_card(ace_card(pictures, found, how, settings["study"])), figures / files[-1][2])
    for target, n_images in few.itertuples(index=False):
        reason = f"{n_images} images are predicted as it, fewer than min_images = {settings['min_images']}"
        LOGGER.warning("%s has no concepts: %s", names[target], reason)
        tables += [_named(no_concepts(target, shape, [reason]).table, target, names) for shape in how.segments_as]
    for stale in set(figures.glob("[0-9]*-*.png")) - {figures / file for *_, file in files}:
        stale.unlink()
    write_arrays(cavs, cav_arrays(main_concepts, names))
    write_table(pd.concat(tables, ignore_index=True), concepts)
    write_table(pd.DataFrame(files, columns=["class", "class_name", "file"]), manifest)


def _named(table: pd.DataFrame, target: int, names: list[str]) -> pd.DataFrame:
    head = pd.DataFrame({"class": target, "class_name": names[target]}, index=table.index)
    return pd.concat([head, table], axis=1)


if __name__ == "__main__":
    run(main)
