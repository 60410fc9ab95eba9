"""The evidence for the card of a contrast: patches, distances to the hyperplane, and the curves of a shift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.concepts.card_evidence import patch_of
from conceptrast.contrast.cards import IMAGES_PER_SIDE, PATCHES_PER_ROW, ContrastCard, Side
from conceptrast.contrast.components import SIDES
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.contrast.pairs import Pair
from conceptrast.contrast.shift import ShiftOptions, shift_rows
from conceptrast.data.selection import surest_images
from conceptrast.data.view_pixels import pixels
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import device_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

SHIFTED_IMAGES = 20
"""Number of images of each class over which a card's curves are averaged."""


@dataclass(frozen=True)
class ContrastEvidence:
    """Results for one pair of classes.

    Attributes:
        pair: A and B.
        hyperplane: the hyperplane between both; its normal points from A to B.
        images: the ids of both classes' images.
        strength: by side ``[k]``, each component's share of the activation on that side.
        prototypes: side, component, rank, image, top, left, height, width.
    """

    pair: Pair
    hyperplane: Hyperplane
    images: Mapping[int, np.ndarray]
    strength: Mapping[str, np.ndarray]
    prototypes: pd.DataFrame


def contrast_card(
    pictures: Pictures,
    split: SplitModel,
    evidence: ContrastEvidence,
    predictions: pd.DataFrame,
    study: str,
    facts: str,
    options: ShiftOptions,
) -> ContrastCard:
    """Put the card of one contrast together.

    Args:
        pictures: the study's images and model.
        split: the model, cut at the layer.
        evidence: the results for the pair.
        predictions: image, probability.
        study: the name of the study, for the header of the card.
        facts: facts about the hyperplane in words, also for the header.
        options: the options of the curves; its precision is also that of the distances.
    """
    patches = evidence.prototypes[evidence.prototypes["rank"] < PATCHES_PER_ROW]
    patch_views = pictures.by_id(np.unique(patches["image"]))
    sides = {}
    directions = (
        (SIDES[0], evidence.pair, evidence.hyperplane),
        (SIDES[1], evidence.pair[::-1], evidence.hyperplane.reversed()),
    )
    first, second = (pictures.model.class_names[target] for target in evidence.pair)
    what = f"shifting between {first} and {second}"
    for name, pair, hyperplane in progress(directions, what, len(directions), "directions"):
        ids = evidence.images[pair[0]]
        # The class's side in the images that the model is surest of.
        surest = surest_images(predictions, ids, IMAGES_PER_SIDE)
        views = pictures.by_id(surest)

        # The class's images on the way to the other side.
        spread = ids[np.linspace(0, len(ids) - 1, min(SHIFTED_IMAGES, len(ids))).astype(int)]
        curve = shift_rows(
            split,
            _activations(pictures, split.complete, spread, options.precision).to(device_of(pictures.model)),
            {"": {pair: hyperplane}},
            pair,
            options=replace(options, batch_size=pictures.batch_size),
        )

        rows = patches[patches["side"] == name].sort_values(["component", "rank"])
        sides[name] = Side(
            class_name=pictures.model.class_names[pair[0]],
            n_images=len(ids),
            strength=evidence.strength[name],
            patches=[
                [pixels(patch_of(row, patch_views)) for _, row in component.iterrows()]
                for _, component in rows.groupby("component")
            ],
            pictures=[pixels(views[int(image)]) for image in surest],
            distances=list(-hyperplane.distances(_activations(pictures, split, surest, options.precision)).numpy()),
            curve=curve.rename(columns={"p_from": "p_own", "p_to": "p_other"}),
        )
    return ContrastCard(study=study, facts=facts, sides=sides)


def facts_of(plane: Hyperplane, accuracy: Mapping[str, float]) -> str:
    """Facts about a hyperplane, in words for the header of a figure.

    Example:
        >>> facts_of(Hyperplane(np.array([3.0, 4.0]), 0.0), {"train_accuracy": 0.9, "heldout_accuracy": 0.8})
        'hyperplane: 90 % of its features and 80 % of held-out ones on their own side, length 5'
    """
    shares = f"{100 * accuracy['train_accuracy']:.0f} % of its features"
    if "heldout_accuracy" in accuracy:
        shares += f" and {100 * accuracy['heldout_accuracy']:.0f} % of held-out ones"
    return f"hyperplane: {shares} on their own side, length {plane.length:.3g}"


def _activations(pictures: Pictures, split: SplitModel, ids: np.ndarray, precision: str) -> Tensor:
    batches = activations_of(pictures.model, split, pictures.of(ids), precision)
    return torch.cat([activations for _, activations in batches])
