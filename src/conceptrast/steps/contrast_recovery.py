"""For two classes that share a concept, compare their contrast with the known concept that tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.concepts.known_boxes import refuse_resized
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplane_shards import Planes, beside_chance
from conceptrast.contrast.images import class_activations, images_by_class
from conceptrast.contrast.pairs import named_pairs, with_sharing
from conceptrast.contrast.recovery import mass_table, sharing_classes, strongest_table, with_a_plane
from conceptrast.data.digit_scenes import CELL
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the files of the study's shards, the patches of contrasts, and the objects in the pictures with places."""

    attributions: list[Path]
    features: list[Path]
    hyperplanes: list[Path]
    prototypes: Path
    truth: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """For each image, the mass in the cells of both concepts; for each pair, the strongest component's concept."""

    mass: Path
    strongest: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write where the contrasts lie, for all pairs that share a concept."""
    pictures = open_pictures(settings, inputs)
    view = refuse_resized(pictures.dataset, pictures.table, pictures.model.preprocess)
    truth = read_table(inputs.truth)
    # Which pairs and planes
    bank = FeatureBank(inputs.features)
    sharing = sharing_classes(pictures, truth, bank)
    pairs = with_sharing(named_pairs(pictures.model, settings["pairs"]), sharing)
    planes = Planes(inputs.hyperplanes, settings["hyperplane"], pairs)
    concepts = with_a_plane(sharing, planes)
    # Where their contrasts lie
    images = images_by_class(read_attributions(inputs.attributions))
    split = SplitModel(pictures.model, settings["layer"])
    mass = mass_table(
        class_activations(pictures, split, images, settings["precision"], what="weighing"),
        images,
        beside_chance(dict(planes), bank, settings["seed"]),
        concepts,
        truth=truth,
        view=view,
        cell=CELL,
    )
    write_table(mass, outputs.mass)
    write_table(strongest_table(read_table(inputs.prototypes), concepts, truth), outputs.strongest)


if __name__ == "__main__":
    run(main)
