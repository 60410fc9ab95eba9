"""Hide the places of a class's images in the order of their distance to a hyperplane, and in a random order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.files import write_arrays, write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.images import drawn_images, images_by_class
from conceptrast.contrast.mask import MaskSettings, mask_tests
from conceptrast.contrast.pairs import mask_pairs, named_pairs, skipped_pairs, skipped_rows
from conceptrast.contrast.shift import draw_pairs
from conceptrast.contrast.study_hyperplanes import Planes
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run

COLUMNS = ["from_class", "to_class", "baseline", "status", "reason", "share", "p_from", "p_to"]


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    attributions: list[Path],
    features: list[Path],
    hyperplanes: list[Path],
    mask: Path,
    examples: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the probabilities of both classes at every share, and in which order one image of each pair is hidden."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    bank, seed = FeatureBank(features), settings["seed"]
    drawn = draw_pairs(list(bank), settings["pairs_per_draw"], 1, seed)[0]
    pairs = mask_pairs(named_pairs(pictures.model, settings["pairs"]), drawn, settings["mask_pairs"])
    planes = Planes(hyperplanes, settings["hyperplane"], pairs)
    images = {
        target: drawn_images(found, target, settings["images_per_pair"], seed)
        for target, found in images_by_class(read_attributions(attributions)).items()
    }
    options = MaskSettings(fill=settings["fill"], seed=seed, precision=settings["precision"])
    tests = list(mask_tests(pictures, SplitModel(pictures.model, settings["layer"]), planes, images, options))
    rows = [test.rows.assign(from_class=test.pair[0], to_class=test.pair[1], status="ok", reason="") for test in tests]
    skipped = skipped_rows(skipped_pairs(pairs, pictures.model.class_names, bank, planes.skipped)).assign(
        baseline="none"
    )
    write_table(pd.concat([*rows, skipped], ignore_index=True).reindex(columns=COLUMNS), mask)
    arrays = {
        "pair": np.array([test.pair for test in tests], np.int64).reshape(-1, 2),
        "image": np.array([test.image for test in tests], np.int64),
        "positions": np.array([test.positions for test in tests], np.int64),
    }
    write_arrays(examples, arrays | {"ranks": np.array([test.ranks for test in tests], np.int64)})


if __name__ == "__main__":
    run(main)
