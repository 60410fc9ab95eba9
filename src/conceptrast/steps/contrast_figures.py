"""Draw the contrast of every named pair of classes, and the curves of the shift and the mask test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_arrays, read_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.contrast.card_evidence import ContrastEvidence, contrast_card, facts_of
from conceptrast.contrast.components import by_side, patches_of_pair, plane_of
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.images import images_by_class
from conceptrast.contrast.mask import masked_pictures
from conceptrast.contrast.pairs import both_orders, named_pairs
from conceptrast.contrast.shift import ShiftOptions
from conceptrast.contrast.tables import join_shards
from conceptrast.figures.canvas import save_png
from conceptrast.figures.contrast_card import draw_contrast_card
from conceptrast.figures.contrast_curves import draw_mask, draw_shift
from conceptrast.figures.contrast_page import save_contrast_page
from conceptrast.models.split import SplitModel
from conceptrast.steps.figure_folder import PAIRS, FigureFolder, PageFolder, pair_stem
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also all files from the steps of the study's contrasts."""

    predictions: Path
    attributions: list[Path]
    hyperplanes: list[Path]
    components: Path
    prototypes: Path
    shifts: list[Path]
    mask: Path
    examples: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``<contrasts>/<number>-<A>-not-<number>-<B>.png``, listed in ``manifest``, and two figures of curves.

    ``pages`` has the facts of every contrast's page. Its pictures are in the folder of the same name.
    """

    contrasts: Path
    shift_figure: Path
    mask_figure: Path
    manifest: Path
    pages: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Draw all figures of a study's contrasts."""
    pictures = open_pictures(settings, inputs)
    names = pictures.model.class_names
    pairs = named_pairs(pictures.model, settings["pairs"])
    # A card for each pair
    split = SplitModel(pictures.model, settings["layer"])
    planes = Planes(inputs.hyperplanes, settings["hyperplane"], both_orders(pairs))
    sets = read_arrays(inputs.components)
    patches = read_table(inputs.prototypes)
    predictions = read_table(inputs.predictions)
    images = images_by_class(read_attributions(inputs.attributions))
    shift_options = ShiftOptions(offsets=settings["offsets"], seed=settings["seed"], precision=settings["precision"])
    folder = FigureFolder(outputs.contrasts, PAIRS, "*-not-*.png")
    pages = PageFolder(outputs.pages)
    for pair in pairs:
        strength = by_side(sets, "strength", pair)
        if len(strength) < 2:
            first, second = (names[target] for target in pair)
            LOGGER.warning("%s and %s are not contrasted: see tables/contrast_pairs.csv", first, second)
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
            predictions,
            study=settings["study"],
            facts=facts_of(plane, planes.accuracy[pair]),
            options=shift_options,
        )
        stem = pair_stem(pair, names, "-not-")
        save_png(draw_contrast_card(card), folder.add(*pair, f"{stem}.png"))
        pages.add(save_contrast_page(card, pair, pages.folder, stem))
    # The curves
    shift = join_shards([read_table(path) for path in inputs.shifts])
    save_png(draw_shift(shift, settings["study"]), outputs.shift_figure)
    masked = masked_pictures(pictures, read_arrays(inputs.examples), settings["fill"])
    save_png(draw_mask(read_table(inputs.mask), masked, names, settings["study"]), outputs.mask_figure)
    folder.finish(outputs.manifest)
    pages.finish()


if __name__ == "__main__":
    run(main)
