"""Factorize what a layer holds of some pictures, score the concepts and draw them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.base.names import slug
from conceptrast.dff.deep_feature_factorization import arrays_of
from conceptrast.dff.factorized_pictures import factorized, labelled_pictures, predicted_pictures
from conceptrast.dff.table import skipped_rows
from conceptrast.figures.canvas import save_full_png
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import LOGGER, run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    concepts: Path,
    arrays: Path,
    figures: Path,
    manifest: Path,
    predictions: Path | None = None,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write scores, arrays, ``<figures>/<picture>.png`` (``all.png`` where they share concepts) and ``manifest``."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    if predictions is None:
        images, what = labelled_pictures(pictures, settings["images"], settings.get("labels"))
    else:
        said = read_table(predictions)
        images, what = predicted_pictures(pictures, said, settings["class"], settings["images"], settings["seed"])
    figures.mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    if len(images):
        labels = pictures.table.set_index("image")["label_name"].loc[images].astype(str).tolist()
        names = [f"{image}-{slug(label)}" for image, label in zip(images.tolist(), labels, strict=True)]
        found = factorized(
            pictures, images, settings["layer"], settings["components"], names, labels, f"{len(images)} {what}",
            settings["shared"], settings["seed"], settings["precision"],
        )  # fmt: skip
        files = found.figures
        for number, name in enumerate(files):
            save_full_png(found.plot(number), figures / f"{name}.png")
    else:
        LOGGER.warning("%s: there are no %s", settings["dff"], what)
    for stale in set(figures.glob("[!.]*.png")) - {figures / f"{name}.png" for name in files}:
        stale.unlink()
    write_arrays(arrays, found.arrays if files else arrays_of([]))
    write_table(found.table() if files else skipped_rows(settings["components"], f"there are no {what}"), concepts)
    write_table(pd.DataFrame({"picture": files, "file": [f"{name}.png" for name in files]}), manifest)


if __name__ == "__main__":
    run(main)
