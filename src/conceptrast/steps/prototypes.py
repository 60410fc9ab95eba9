"""Find the patches that are most like each component, in one pass over all images for all recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.concepts.class_prototypes import class_prototypes, sought
from conceptrast.concepts.crop_similarity import study_whitening
from conceptrast.concepts.exchange import class_candidates
from conceptrast.concepts.recipes import recipes_from_settings
from conceptrast.models.activations import activations_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the model's predictions for all pictures, and the components of its classes."""

    predictions: Path
    components: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The patches that are most like each component."""

    prototypes: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the prototypes of every class and recipe, for both selections."""
    # Patches whose positions are most like what each recipe searches for
    predicted = read_table(inputs.predictions).set_index("image")["predicted"]
    pictures = open_pictures(settings, inputs)
    split = SplitModel(pictures.model, settings["layer"])
    images = predicted.index.to_numpy()
    recipes = recipes_from_settings(settings["recipes"])
    sets = read_arrays(inputs.components)
    whitening = study_whitening(
        pictures, split, images, recipes, rectify=settings["rectify"], precision=settings["precision"]
    )
    batches = pictures.of(images, "searching prototypes")
    vectors = {recipe: sought(recipe, sets, whitening) for recipe in recipes}
    prototypes = class_prototypes(
        activations_of(pictures.model, split, batches, settings["precision"]),
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        sets["classes"],
        vectors,
        view=pictures.model.preprocess.size,
        rectify=settings["rectify"],
    )
    # The best of them by what the layer makes of each when it is cut out, and in its place in the combined image
    ranked = class_candidates(
        prototypes, sets["classes"], vectors, pictures=pictures, split=split, precision=settings["precision"]
    )
    write_table(ranked, outputs.prototypes)


if __name__ == "__main__":
    run(main)
