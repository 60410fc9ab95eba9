"""Find the concepts that speak for A and against B, and their patches, for a study's pairs of classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.contrast.component_patches import patches_of_sets
from conceptrast.contrast.components import contrast_sets, pair_table
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplane_shards import Planes, beside_chance
from conceptrast.contrast.images import class_activations, images_by_class, images_of_pairs
from conceptrast.contrast.pairs import both_orders, named_pairs, with_sharing
from conceptrast.contrast.recovery import sharing_classes
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the files of the study's shards. With ``truth``, all pairs that share a concept are included, too."""

    predictions: Path
    attributions: list[Path]
    features: list[Path]
    hyperplanes: list[Path]
    truth: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Components of both sides of each pair, their patches, and the outcome of each named pair."""

    components: Path
    prototypes: Path
    pairs: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write components and patches of the named pairs. With a truth, add chance and the pairs that share a concept."""
    pictures = open_pictures(settings, inputs)
    bank = FeatureBank(inputs.features)
    # Which pairs and planes
    named = named_pairs(pictures.model, settings["pairs"])
    truth = None if inputs.truth is None else read_table(inputs.truth)
    pairs = with_sharing(named, {} if truth is None else sharing_classes(pictures, truth, bank))
    planes = Planes(inputs.hyperplanes, settings["hyperplane"], both_orders(pairs))
    contrasts = {pair: planes[pair] for pair in pairs if pair in planes}
    by_baseline = {"none": contrasts} if truth is None else beside_chance(contrasts, bank, settings["seed"])
    # Components of both sides
    split = SplitModel(pictures.model, settings["layer"])
    images = images_of_pairs(contrasts, images_by_class(read_attributions(inputs.attributions)))
    [recipe] = recipes_from_settings(settings["recipe"])
    sets = contrast_sets(
        class_activations(pictures, split, images, settings["precision"], what=""),
        by_baseline,
        recipe.components,
        settings["seed"],
        rectify=settings["rectify"],
        names=pictures.model.class_names,
        solver=settings["solver"],
    )
    # Their patches
    patches = patches_of_sets(
        pictures,
        split,
        sets,
        recipe,
        predictions=read_table(inputs.predictions),
        rectify=settings["rectify"],
        precision=settings["precision"],
    )
    write_table(pair_table(named, pictures.model.class_names, planes, bank, sets=sets), outputs.pairs)
    write_arrays(outputs.components, sets)
    write_table(patches, outputs.prototypes)


if __name__ == "__main__":
    run(main)
