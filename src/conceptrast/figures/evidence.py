"""From tables to cards: what :mod:`~conceptrast.figures.class_card` draws, put together from what the steps found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.concepts.classes import weighted_rows
from conceptrast.concepts.codes import codes_of
from conceptrast.concepts.component_prediction import assemble, chosen_patches
from conceptrast.concepts.patches import BOX, crop
from conceptrast.concepts.prototypes import SELECTIONS
from conceptrast.concepts.recipes import Recipe
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.class_card import PATCHES, Box, ClassCard, Heatmap, PatchRow, Verdict


def class_card(
    target: int,
    class_names: Sequence[str],
    study: str,
    recipe: Recipe,
    n_images: int,
    prototypes: pd.DataFrame,
    predictions: pd.DataFrame,
    verdicts: pd.DataFrame,
    views: Mapping[int, Tensor],
    heatmaps: Sequence[Heatmap] = (),
) -> ClassCard:
    """Put the card of one class together.

    Args:
        target: class index.
        class_names: names of the model's classes.
        study: what the card is from, for its header.
        recipe: by which the patches were cut and combined.
        n_images: images that the components were found in.
        prototypes: rows of the class and recipe: component, selection, rank, image, top, left, height, width.
        predictions: image, predicted, probability of the images that patches come from.
        verdicts: rows of the class and recipe, without baselines and skipped ones: selection, predicted, probability,
            match.
        views: uint8 ``[3, H, W]`` by image, at least those of :func:`images_on_card`.
        heatmaps: from :func:`heatmap`.

    Returns:
        The card; a selection without a verdict has rows only, one without patches is left out.
    """
    said = predictions.set_index("image")
    rows, found = {}, {}
    for selection in SELECTIONS:
        table = prototypes[prototypes["selection"] == selection]
        if table.empty:
            continue
        chosen = chosen_patches(table, recipe.distinct)
        ranks = dict(zip(chosen["component"], chosen["rank"], strict=True))
        rows[selection] = [
            _row(part, ranks.get(component), said, class_names, views) for component, part in table.groupby("component")
        ]
        verdict = verdicts[verdicts["selection"] == selection]
        if len(verdict):
            found[selection] = _verdict(verdict.iloc[0], chosen, recipe, class_names, views)
    return ClassCard(target, class_names[target], n_images, study, recipe.name, rows, found, heatmaps)


def images_on_card(prototypes: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Ids of the images that a card needs: those of the patches shown and of the patches combined."""
    shown = [prototypes[prototypes["rank"] < PATCHES]["image"]]
    for _, table in prototypes.groupby("selection"):
        shown.append(chosen_patches(table, recipe.distinct)["image"])
    return np.unique(np.concatenate(shown))


def heatmap(view: Tensor, activations: Tensor, weights: np.ndarray, components: np.ndarray) -> Heatmap:
    """Where the components are in one image: the codes of its weighted activations.

    The weights are divided by the highest of those given. Weights of positions belong to the image and differ between
    images by orders of magnitude: undivided, an image full of objects would look empty beside one whose object fills a
    single position, so maps are comparable within an image only. Weights of channels belong to the class: all its
    images are divided by one number, and its maps stay comparable between them.

    Args:
        view: uint8 ``[3, H, W]``.
        activations: ``[C, h, w]``.
        weights: ``[1, h, w]`` or ``[C, 1, 1]``; see :func:`conceptrast.concepts.classes.class_weights`.
        components: ``[k, C]``.

    Returns:
        The picture and one map ``[h, w]`` per component, in units of the layer's activations per unit of the
        component.

    Example:
        >>> view, activations = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.ones(2, 1, 2)
        >>> heatmap(view, activations, np.array([[[0.0, 2.0]]]), np.array([[1.0, 1.0]])).maps.round(3).tolist()
        [[[0.0, 1.0]]]
    """
    relative = weights / max(float(weights.max()), np.finfo(np.float32).tiny)
    rows, _ = weighted_rows(activations[None].cpu(), relative[None], rectify=True)
    codes = codes_of(rows, components)
    return Heatmap(pixels(view), codes.T.reshape(-1, *activations.shape[1:]))


def _row(
    table: pd.DataFrame, chosen: int | None, said: pd.DataFrame, class_names: Sequence[str], views: Mapping[int, Tensor]
) -> PatchRow:
    table = table.sort_values("rank")
    patches = [pixels(patch_of(row, views)) for _, row in table.head(PATCHES).iterrows()]
    first = table.iloc[0]
    box = tuple(int(first[side]) for side in BOX)
    prediction = said.loc[first["image"]]
    name = class_names[int(prediction["predicted"])]
    source = pixels(views[int(first["image"])])
    return PatchRow(patches, source, box, name, float(prediction["probability"]), chosen)  # type: ignore[arg-type]


def _verdict(
    verdict: pd.Series, chosen: pd.DataFrame, recipe: Recipe, class_names: Sequence[str], views: Mapping[int, Tensor]
) -> Verdict:
    patches = torch.stack([patch_of(row, views) for _, row in chosen.iterrows()])
    combined = assemble(patches, recipe.layout)
    name = class_names[int(verdict["predicted"])]
    return Verdict(
        pixels(combined), tiles(patches, combined), name, float(verdict["probability"]), bool(verdict["match"])
    )


def patch_of(row: pd.Series, views: Mapping[int, Tensor]) -> Tensor:
    """The patch ``[3, h, w]`` of a row with image, top, left, height and width, cut from its view."""
    top, left, height, width = (int(row[side]) for side in BOX)
    return crop(views[int(row["image"])], (top, left, height, width))


def tiles(patches: Tensor, combined: Tensor) -> list[Box]:
    """Where each patch lies in the combined image, row by row, as fractions of its sides.

    Args:
        patches: ``[k, 3, ph, pw]``.
        combined: ``[3, H, W]``, as :func:`~conceptrast.concepts.component_prediction.assemble` makes it.

    Example:
        >>> tiles(torch.zeros(2, 3, 4, 4), torch.zeros(3, 8, 4))
        [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)]
    """
    height, width = (patches.shape[axis] / combined.shape[axis - 1] for axis in (2, 3))
    columns = round(1 / width)
    return [(place // columns * height, place % columns * width, height, width) for place in range(len(patches))]
