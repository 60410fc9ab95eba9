"""Compare the contrasts of classes that share a concept with the concept that is known to tell them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.concepts.recovery import concepts_by_class, refuse_other_size
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplanes import RANDOM_DIRECTION
from conceptrast.contrast.images import class_activations, images_by_class
from conceptrast.contrast.pairs import named_pairs, with_sharing
from conceptrast.contrast.recovery import mass_table, sharing_pairs, strongest_table
from conceptrast.contrast.study_hyperplanes import Planes, chance_planes
from conceptrast.data.digit_pairs import CELL
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    attributions: list[Path],
    features: list[Path],
    hyperplanes: list[Path],
    prototypes: Path,
    truth: Path,
    mass: Path,
    strongest: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write the mass in the cells of both concepts, image by image, and the strongest component's concept by pair."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    width, height = pictures.dataset.picture(pictures.table.iloc[0]).size
    refuse_other_size((height, width), pictures.model.preprocess.size)
    known, bank = read_table(truth), FeatureBank(features)
    concepts = concepts_by_class(pictures.table, known, pictures.model.class_names)
    sharing = sharing_pairs(concepts, list(bank))
    pairs = with_sharing(named_pairs(pictures.model, settings["pairs"]), sharing)
    own = Planes(hyperplanes, settings["hyperplane"], pairs)
    sharing = {pair: found for pair, found in sharing.items() if pair in own or pair[::-1] in own}
    planes = {"none": dict(own), RANDOM_DIRECTION: chance_planes(own, bank, settings["seed"])}
    images = images_by_class(read_attributions(attributions))
    split = SplitModel(pictures.model, settings["layer"])
    classes = class_activations(pictures, split, images, settings["precision"], "weighing")
    write_table(mass_table(classes, images, planes, sharing, known, (height, width), CELL), mass)
    write_table(strongest_table(read_table(prototypes), sharing, known), strongest)


if __name__ == "__main__":
    run(main)
