"""From what the steps found to the figures of contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.contrast.components import SIDES
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.contrast.mask import STEPS, hidden_places
from conceptrast.contrast.shift import OFFSETS, shift_rows
from conceptrast.contrast.solvers import Pair
from conceptrast.figures.contrast_card import IMAGES, PATCHES, ContrastCard, Side
from conceptrast.figures.evidence import patch_of, pixels
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import device_of
from conceptrast.models.model import Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

SHOWN_STEPS = (0, 1, 2, 3, 5, 7, 9)
"""Steps of the mask test that a figure shows."""

SHIFTED = 20
"""Images of each class that a card's curves are the mean of."""


def contrast_card(
    pictures: Pictures,
    split: SplitModel,
    pair: Pair,
    plane: Hyperplane,
    images: Mapping[int, np.ndarray],
    strength: Mapping[str, np.ndarray],
    prototypes: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    study: str,
    facts: str,
    offsets: Sequence[float] = OFFSETS,
    seed: int = 0,
    precision: str = "float32",
) -> ContrastCard:
    """Put the figure of one contrast together.

    Args:
        pictures: the study's images and model.
        split: the model, cut at the layer.
        pair: A and B.
        plane: from A to B.
        images: ids of both classes' images.
        strength: ``[k]`` of the components of each side.
        prototypes: rows of the pair: side, component, rank, image, top, left, height, width.
        predictions: image, probability.
        study: for the header.
        facts: for the header too.
        offsets: of the curves.
        seed: of the random direction.
        precision: of the network.
    """
    needed = prototypes[prototypes["rank"] < PATCHES]
    views = pictures.by_id(np.unique(needed["image"]))
    sides = {}
    directions = ((SIDES[0], *pair, plane), (SIDES[1], *pair[::-1], plane.reversed()))
    names = [pictures.model.class_names[target] for target in pair]
    what = f"shifting between {names[0]} and {names[1]}"
    for side, target, other, own in progress(directions, what, len(directions), "directions"):
        ids = images[target]
        surest = _surest(ids, predictions)
        shown = pictures.by_id(surest)
        moved = _activations(
            pictures, split, ids[np.linspace(0, len(ids) - 1, min(SHIFTED, len(ids))).astype(int)], precision
        )
        curve = shift_rows(
            split, moved.to(device_of(pictures.model)), {"": {(target, other): own}}, (target, other), offsets, seed,
            precision, pictures.batch_size,
        )  # fmt: skip
        rows = needed[needed["side"] == side].sort_values(["component", "rank"])
        sides[side] = Side(
            pictures.model.class_names[target],
            len(ids),
            strength[side],
            [[pixels(patch_of(row, views)) for _, row in part.iterrows()] for _, part in rows.groupby("component")],
            [pixels(shown[int(image)]) for image in surest],
            list(-own.distances(_activations(pictures, split, surest, precision)).numpy()),
            curve.rename(columns={"p_from": "p_own", "p_to": "p_other"}),
        )
    return ContrastCard(study, facts, sides)


def facts_of(plane: Hyperplane, accuracy: Mapping[str, float]) -> str:
    """Words on a hyperplane for the header of a figure.

    Example:
        >>> facts_of(Hyperplane(np.array([3.0, 4.0]), 0.0), {"train_accuracy": 0.9, "heldout_accuracy": 0.8})
        'hyperplane: 90 % of its features and 80 % of held-out ones on their own side, length 5'
    """
    said = f"hyperplane: {100 * accuracy['train_accuracy']:.0f} % of its features"
    if "heldout_accuracy" in accuracy:
        said += f" and {100 * accuracy['heldout_accuracy']:.0f} % of held-out ones"
    return f"{said} on their own side, length {plane.length:.3g}"


def masked_pictures(
    pictures: Pictures, examples: Mapping[str, np.ndarray], fill: float
) -> dict[Pair, dict[float, np.ndarray]]:
    """The example image of every mask test at :data:`SHOWN_STEPS`, by the share of all places that is hidden.

    Args:
        pictures: the study's images and model.
        examples: arrays pair ``[P, 2]``, image ``[P]``, positions ``[P]``, ranks ``[P, h, w]``.
        fill: value of hidden pixels, in normalised units.
    """
    if not len(examples["image"]):
        return {}
    views = pictures.by_id(np.unique(examples["image"]))
    found = {}
    for row, pair in enumerate(examples["pair"].tolist()):
        view = views[int(examples["image"][row])]
        steps = {}
        for step in SHOWN_STEPS:
            total, ranks = int(examples["positions"][row]), examples["ranks"][row][None]
            places = hidden_places(ranks, step / STEPS, total, (view.shape[1], view.shape[2]))[0]
            steps[step / STEPS] = pixels(torch.where(places, _filling(pictures.model.preprocess, fill), view))
        found[pair[0], pair[1]] = steps
    return found


def _filling(preprocess: Preprocess, fill: float) -> Tensor:
    """The colour of a normalised value: uint8 ``[channels, 1, 1]``."""
    colour = 255 * (fill * torch.tensor(preprocess.std) + torch.tensor(preprocess.mean))
    return colour.clamp(0, 255).round().to(torch.uint8)[:, None, None]


def _surest(ids: np.ndarray, predictions: pd.DataFrame) -> np.ndarray:
    said = predictions[predictions["image"].isin(ids)]
    ordered = said.sort_values(["probability", "image"], ascending=[False, True])
    found: np.ndarray = ordered["image"].head(IMAGES).to_numpy()
    return found


def _activations(pictures: Pictures, split: SplitModel, ids: np.ndarray, precision: str) -> Tensor:
    return torch.cat([found for _, found in activations_of(pictures.model, split, pictures.of(ids), precision)])
