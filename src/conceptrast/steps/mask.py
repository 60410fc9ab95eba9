"""Hide positions of a class's images, in the order of their distance to a hyperplane and in a random order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import write_arrays, write_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.images import drawn_images, images_by_class
from conceptrast.contrast.mask import MaskOptions, mask_tests
from conceptrast.contrast.mask_files import mask_arrays, mask_table
from conceptrast.contrast.pairs import mask_pairs, named_pairs, skipped_pairs
from conceptrast.contrast.shift import draw_pairs
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the attributions, features and hyperplanes of all shards."""

    attributions: list[Path]
    features: list[Path]
    hyperplanes: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Probabilities of both classes at every hidden share, and the order of hiding for one image of each pair."""

    mask: Path
    examples: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the mask test of the named pairs and of some drawn pairs."""
    pictures = open_pictures(settings, inputs)
    seed = settings["seed"]
    # Which pairs
    bank = FeatureBank(inputs.features)
    [draw] = draw_pairs(list(bank), settings["pairs_per_draw"], 1, seed)
    pairs = mask_pairs(named_pairs(pictures.model, settings["pairs"]), draw, settings["mask_pairs"])
    planes = Planes(inputs.hyperplanes, settings["hyperplane"], pairs)
    # Which images
    most = settings["images_per_pair"]
    attributed = images_by_class(read_attributions(inputs.attributions))
    images = {target: drawn_images(ids, target, most, seed) for target, ids in attributed.items()}
    # The tests
    split = SplitModel(pictures.model, settings["layer"])
    options = MaskOptions(fill=settings["fill"], seed=seed, precision=settings["precision"])
    tests = list(mask_tests(pictures, split, planes=planes, images=images, options=options))
    skipped = skipped_pairs(pairs, pictures.model.class_names, bank, planes.skipped)
    write_table(mask_table(tests, skipped), outputs.mask)
    write_arrays(outputs.examples, mask_arrays(tests))


if __name__ == "__main__":
    run(main)
