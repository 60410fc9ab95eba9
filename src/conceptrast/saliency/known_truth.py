r"""Known truth: do the maps of two classes lie on the concept that tells them apart, and not on the shared one?

This test needs a dataset whose truth is known, and pairs of classes (A, B) that share a concept, for example ``3+7``
and ``3+8``. The *own* concept of an image of A is the one that B lacks (``7``). The *shared* concept is in both
(``3``). :func:`conceptrast.contrast.recovery.sharing_pairs` lists these pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from conceptrast.base.errors import ShapeError
from conceptrast.concepts.patches import BOX

_COLUMNS = ("image", "flat", "own_mass", "shared_mass", "hit")


def truth_rows(
    maps: np.ndarray,
    images: np.ndarray,
    truth: pd.DataFrame,
    own_concept: str,
    shared_concept: str,
    margin: tuple[int, int] = (0, 0),
) -> pd.DataFrame:
    r"""Where each map has its mass and its maximum.

    .. math:: \mathrm{mass} = \sum_{p \in \mathrm{boxes}} M_p \Big/ \sum_p M_p

    Args:
        maps: ``[N, H, W]``, not negative, of pictures that the model sees as they are.
        images: ``[N]`` ids.
        truth: image, concept, top, left, height, width, in pixels.
        own_concept: the concept that the other class lacks.
        shared_concept: the concept that both classes have.
        margin: the number of pixels by which every box is enlarged on each side.

    Returns:
        image, flat (the map is the same everywhere and has no maximum), own_mass and shared_mass (0 to 1; 0 if a map is
        zero), hit (the maximum lies on the own concept; if several pixels reach the maximum, at least half of them do).
        Images without both concepts are left out: the model may have named a picture A that does not show them.

    Raises:
        ShapeError: there are not as many maps as images.

    Source: the pointing game, Zhang et al. 2018, IJCV 126, section 4.1. The margin is its tolerance, which is 15 pixels
    there.

    Example:
        >>> truth = pd.DataFrame({"image": 5, "concept": ["7", "3"], "top": 0, "left": [0, 1], "height": 2, "width": 1})
        >>> truth_rows(np.array([[[0.5, 0.2], [0.3, 0.0]]]), np.array([5]), truth, "7", "3").values.tolist()
        [[5, False, 0.8, 0.2, True]]
    """
    if len(maps) != len(images):
        raise ShapeError(f"{len(maps)} maps for {len(images)} images: every image needs one")
    # The boxes of both concepts, by image and concept.
    boxes: dict[tuple[int, str], list[tuple[int, ...]]] = {}
    of_images = truth[truth["image"].isin(images) & truth["concept"].isin([own_concept, shared_concept])]
    for image, concept, *box in of_images[["image", "concept", *BOX]].itertuples(index=False, name=None):
        boxes.setdefault((image, concept), []).append(tuple(box))

    # The share of each map in them.
    rows = []
    for image, values in zip(images.tolist(), maps, strict=True):
        inside = [
            _inside(boxes.get((image, concept), []), values.shape, margin) for concept in (own_concept, shared_concept)
        ]
        if all(mask.any() for mask in inside):
            flat = bool(values.min() == values.max())
            total = float(values.sum())
            masses = [float(values[mask].sum()) / total if total else 0.0 for mask in inside]
            hit = not flat and bool(inside[0][values == values.max()].mean() >= 0.5)
            rows.append((image, flat, *masses, hit))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _inside(boxes: Sequence[tuple[int, ...]], size: tuple[int, ...], margin: tuple[int, int]) -> np.ndarray:
    """``[H, W]`` bool: the pixels in the enlarged boxes."""
    inside = np.zeros(size, dtype=bool)
    for top, left, height, width in boxes:
        rows = slice(max(top - margin[0], 0), top + height + margin[0])
        inside[rows, max(left - margin[1], 0) : left + width + margin[1]] = True
    return inside
