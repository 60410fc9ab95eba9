"""All cards of a study, one class after the other, from the files that the study's steps have written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from conceptrast.concepts.classes import class_weights
from conceptrast.concepts.recipes import Recipe
from conceptrast.figures.class_card import ClassCard, Heatmap
from conceptrast.figures.evidence import class_card, heatmap, images_on_card
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

HEATMAPS = 3


def study_cards(
    pictures: Pictures,
    layer: str,
    study: str,
    recipe: Recipe,
    attribution: Mapping[str, np.ndarray],
    components: Mapping[str, np.ndarray],
    prototypes: pd.DataFrame,
    predictions: pd.DataFrame,
    verdicts: pd.DataFrame,
    precision: str = "float32",
) -> Iterator[ClassCard]:
    """The card of every class that has components and prototypes; one class is in memory at a time.

    Args:
        pictures: the study's images and model.
        layer: where the model is cut.
        study: its name.
        recipe: the one that the cards show.
        attribution: image, target, rectified, multiplier of all shards.
        components: classes, n_images, ``components_<factors>``.
        prototypes: of all classes and recipes.
        predictions: of all images.
        verdicts: the component predictions of all classes and recipes.
        precision: of the heatmaps' activations.
    """
    split = SplitModel(pictures.model, layer)
    prototypes = prototypes[prototypes["recipe"] == recipe.name]
    kept = (verdicts["recipe"] == recipe.name) & (verdicts["baseline"] == "none") & (verdicts["status"] == "ok")
    verdicts = verdicts[kept]
    for place, target in enumerate(components["classes"].tolist()):
        patches = prototypes[prototypes["class"] == target]
        if patches.empty:
            continue
        directions = components[f"components_{recipe.factors.key}"][place]
        maps = class_heatmaps(
            pictures, split, target, attribution, recipe.weighting, directions, predictions, precision
        )
        yield class_card(
            target,
            pictures.model.class_names,
            study,
            recipe,
            int(components["n_images"][place]),
            patches,
            predictions,
            verdicts[verdicts["class"] == target],
            pictures.by_id(images_on_card(patches, recipe)),
            maps,
        )


def class_heatmaps(
    pictures: Pictures,
    split: SplitModel,
    target: int,
    attribution: Mapping[str, np.ndarray],
    weighting: str,
    components: np.ndarray,
    predictions: pd.DataFrame,
    precision: str = "float32",
) -> list[Heatmap]:
    """Heatmaps of the class's components over the images that the model is surest of.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        target: the class.
        attribution: image, target, rectified, multiplier.
        weighting: the one that the components were made with.
        components: ``[k, C]``.
        predictions: image, probability.
        precision: of the activations.
    """
    own = {name: values[attribution["target"] == target] for name, values in attribution.items()}
    each = np.broadcast_to(weights := class_weights(own, weighting), (len(own["image"]), *weights.shape[1:]))
    weight_of = dict(zip(own["image"].tolist(), each, strict=True))
    said = predictions[predictions["image"].isin(list(weight_of))]
    surest = said.sort_values(["probability", "image"], ascending=[False, True])["image"].head(HEATMAPS)
    found = []
    for ids, batch in pictures.of(surest.to_numpy()):
        for _, activations in activations_of(pictures.model, split, [(ids, batch)], precision):
            found += [
                heatmap(view, activation, weight_of[int(image)], components)
                for image, view, activation in zip(ids, batch, activations, strict=True)
            ]
    return found


def slug(name: str) -> str:
    """A class name as part of a file name.

    Example:
        >>> slug("Bernese mountain dog, (big)"), slug("0+1"), slug("Épagneul breton")
        ('bernese-mountain-dog', '0-1', 'epagneul-breton')
    """
    first = unicodedata.normalize("NFKD", name.split(",")[0]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", first.lower()).strip("-")[:60] or "class"


def file_name(class_index: int, class_name: str) -> str:
    """File of a class's card.

    Example:
        >>> file_name(217, "English springer, English springer spaniel")
        '217-english-springer.png'
    """
    return f"{class_index}-{slug(class_name)}.png"
