"""Where pictures hold what tells one class from another, if that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.contrast.recovery import boxes_of
from conceptrast.counterfactual.swap import Corner
from conceptrast.counterfactual.table import NOWHERE, Box
from conceptrast.data.digit_scenes import CELL


def boxes_that_tell(
    truth: pd.DataFrame | None, index: pd.DataFrame, pair: tuple[int, int], names: Sequence[str], cell: int
) -> Mapping[int, Box]:
    """By image, the cell that holds the concept of the first class which the second one lacks.

    Args:
        truth: image, concept, top, left, height, width; ``None`` if nothing is known.
        index: image, label, label_name of the dataset.
        pair: both classes.
        names: names of all classes.
        cell: side of a cell in pixels; the cell that counts is the one with the centre of the concept's box.

    Returns:
        Boxes in pixels; none if the first class has not exactly one such concept. Pictures without it have none.

    Example:
        >>> truth = pd.DataFrame({"image": [5, 5], "concept": ["3", "7"], "top": [1, 40], "left": [2, 70],
        ...     "height": [3, 20], "width": [4, 20]})
        >>> index = pd.DataFrame({"image": [5], "label": [0], "label_name": ["3+7"]})
        >>> boxes_that_tell(truth, index, (0, 1), ["3+7", "3+8"], cell=32)
        {}
    """
    if truth is None:
        return NOWHERE
    concepts = concepts_by_class(index, truth, names)
    if not set(pair) <= set(concepts):
        return NOWHERE
    telling = set(concepts[pair[0]]) - set(concepts[pair[1]])
    if len(telling) != 1:
        return NOWHERE
    images = index["image"].to_numpy()
    of_concept = boxes_of(truth, images)[telling.pop()]
    corners = (of_concept[:, :2] + of_concept[:, 2:] / 2) // cell * cell
    return {
        int(image): (int(top), int(left), int(top) + cell, int(left) + cell)
        for image, (top, left) in zip(images, corners, strict=True)
        if np.isfinite(top)
    }


def things_in_blocks(
    truth: pd.DataFrame | None, images: np.ndarray, view: tuple[int, int], shape: tuple[int, int]
) -> dict[int, dict[Corner, str]]:
    """By image, what lies in each block of positions that stands for a cell of the picture.

    Args:
        truth: image, concept, top, left, height, width; ``None`` if nothing is known.
        images: ids.
        view: (H, W) of the pictures.
        shape: (h, w) of the layer.

    Example:
        >>> truth = pd.DataFrame({"image": [5], "concept": ["7"], "top": [40], "left": [70], "height": [20],
        ...     "width": [20]})
        >>> things_in_blocks(truth, np.array([5]), (96, 96), (6, 6))
        {5: {Corner(top=2, left=4): '7'}}
    """
    if truth is None:
        return {}
    things: dict[int, dict[Corner, str]] = {}
    for concept, boxes in boxes_of(truth, images).items():
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        cells = centres // CELL * CELL * np.array(shape) / np.array(view)
        for image, (top, left) in zip(images.tolist(), cells, strict=True):
            if np.isfinite(top):
                things.setdefault(image, {})[Corner(int(top), int(left))] = concept
    return things
