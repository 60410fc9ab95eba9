"""Find the concepts that speak for A and against B, and their patches, for a study's pairs of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_arrays, write_table
from conceptrast.concepts.classes import read_attributions
from conceptrast.concepts.prototypes import set_prototypes
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.contrast.components import contrast_sets, pair_table, set_names, set_owners
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplanes import CHANCE
from conceptrast.contrast.images import class_activations, images_by_class
from conceptrast.contrast.pairs import both_orders, named_pairs, with_sharing
from conceptrast.contrast.planes import Planes, chance_planes
from conceptrast.contrast.recovery import sharing_pairs
from conceptrast.contrast.solvers import Pair
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    attributions: list[Path],
    features: list[Path],
    hyperplanes: list[Path],
    components: Path,
    prototypes: Path,
    pairs: Path,
    truth: Path | None = None,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write components and patches of the named pairs; with ``truth``, of chance and all pairs that share a concept."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    bank, split = FeatureBank(features), SplitModel(pictures.model, settings["layer"])
    named, sharing = named_pairs(pictures.model, settings["pairs"]), dict[Pair, tuple[str, str]]()
    if truth is not None:
        known = concepts_by_class(pictures.table, read_table(truth), pictures.model.class_names)
        sharing = sharing_pairs(known, list(bank))
    own = Planes(hyperplanes, settings["hyperplane"], both_orders(with_sharing(named, sharing)))
    contrasts = {pair: own[pair] for pair in with_sharing(named, sharing) if pair in own}
    planes = {"none": contrasts}
    if truth is not None:
        planes |= {CHANCE: chance_planes(contrasts, bank, settings["seed"])}
    wanted = {target for pair in contrasts for target in pair}
    images = images_by_class(read_attributions(attributions))
    images = {target: found for target, found in images.items() if target in wanted}
    [recipe] = recipes_from_settings(settings["recipe"])
    classes = class_activations(pictures, split, images, settings["precision"], "")
    sets = contrast_sets(
        classes,
        planes,
        n_components=recipe.components,
        seed=settings["seed"],
        rectify=settings["rectify"],
        names=pictures.model.class_names,
    )
    predicted = read_table(predictions).set_index("image")["predicted"]
    found = set_prototypes(
        activations_of(
            pictures.model, split, pictures.of(predicted.index.to_numpy(), "searching patches"), settings["precision"]
        ),
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        set_owners(sets), {recipe: sets["components"]}, pictures.model.preprocess.size, settings["rectify"],
    )  # fmt: skip
    write_table(pair_table(named, pictures.model.class_names, own, bank, sets), pairs)
    write_arrays(components, sets)
    write_table(set_names(sets, found), prototypes)


if __name__ == "__main__":
    run(main)
