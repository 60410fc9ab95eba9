"""Draw the contrast of every named pair of classes, and the curves of the shift and the mask test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.names import slug
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.contrast.card_evidence import ContrastEvidence, contrast_card, facts_of
from conceptrast.contrast.components import of_pair, patches_of_pair, plane_of
from conceptrast.contrast.images import images_by_class
from conceptrast.contrast.mask import masked_pictures
from conceptrast.contrast.pairs import both_orders, named_pairs
from conceptrast.contrast.shift import ShiftSettings
from conceptrast.contrast.study_hyperplanes import Planes
from conceptrast.contrast.tables import joined
from conceptrast.figures.canvas import save_png
from conceptrast.figures.contrast_card import draw_contrast_card
from conceptrast.figures.contrast_curves import draw_mask, draw_shift
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import LOGGER, run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    attributions: list[Path],
    hyperplanes: list[Path],
    components: Path,
    prototypes: Path,
    shifts: list[Path],
    mask: Path,
    examples: Path,
    contrasts: Path,
    manifest: Path,
    shift_figure: Path,
    mask_figure: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write ``<contrasts>/<number>-<A>-not-<number>-<B>.png`` and both figures of curves.

    The ``manifest`` lists from_class, to_class, file.
    """
    pictures = open_pictures(settings, index, class_names, weights, workers)
    names, split = pictures.model.class_names, SplitModel(pictures.model, settings["layer"])
    pairs = named_pairs(pictures.model, settings["pairs"])
    planes = Planes(hyperplanes, settings["hyperplane"], both_orders(pairs))
    sets, patches, said = read_arrays(components), read_table(prototypes), read_table(predictions)
    images = images_by_class(read_attributions(attributions))
    contrasts.mkdir(parents=True, exist_ok=True)
    files = []
    for pair in pairs:
        strength = of_pair(sets, "strength", pair)
        if len(strength) < 2:
            LOGGER.warning(
                "%s and %s are not contrasted: see tables/contrast_pairs.csv", *(names[each] for each in pair)
            )
            continue
        plane = plane_of(sets, planes, pair)
        evidence = ContrastEvidence(
            pair=pair,
            hyperplane=plane,
            images=images,
            strength=strength,
            prototypes=patches_of_pair(patches, pair),
        )
        card = contrast_card(
            pictures,
            split,
            evidence,
            said,
            study=settings["study"],
            facts=facts_of(plane, planes.accuracy[pair]),
            settings=ShiftSettings(offsets=settings["offsets"], seed=settings["seed"], precision=settings["precision"]),
        )
        # Numbers first: two classes may have the same name, or one that is no part of a file name.
        first, second = (f"{target}-{slug(names[target])}" for target in pair)
        files.append((*pair, f"{first}-not-{second}.png"))
        save_png(draw_contrast_card(card), contrasts / files[-1][2])
    for stale in set(contrasts.glob("*-not-*.png")) - {contrasts / file for *_, file in files}:
        stale.unlink()
    save_png(draw_shift(joined([read_table(path) for path in shifts]), settings["study"]), shift_figure)
    shown = masked_pictures(pictures, read_arrays(examples), settings["fill"])
    save_png(draw_mask(read_table(mask), shown, names, settings["study"]), mask_figure)
    write_table(pd.DataFrame(files, columns=["from_class", "to_class", "file"]), manifest)


if __name__ == "__main__":
    run(main)
