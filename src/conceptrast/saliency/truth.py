r"""Known truth: do maps of a pair of classes lie on what tells the two apart, rather than on what they share?

For pairs of classes (A, B) that share a concept in a dataset whose truth is known, such as ``3+7`` and ``3+8``: the
*telling* concept of an image of A is the one that B lacks (``7``), the *shared* one is in both (``3``);
:func:`conceptrast.contrast.recovery.sharing_pairs` lists them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from conceptrast.errors import ShapeError
from conceptrast.patches import BOX
from conceptrast.saliency.faithfulness import KEYS
from conceptrast.statistics import wilson_interval

_COLUMNS = ("image", "flat", "telling_mass", "shared_mass", "hit")


def truth_rows(maps: np.ndarray, images: np.ndarray, truth: pd.DataFrame, telling: str, shared: str) -> pd.DataFrame:
    r"""Where each map's mass lies, and where its maximum.

    .. math:: \mathrm{mass} = \sum_{p \in \mathrm{boxes}} M_p \Big/ \sum_p M_p

    Args:
        maps: ``[N, H, W]``, not negative, of pictures that the model sees as they are.
        images: ``[N]`` ids.
        truth: image, concept, top, left, height, width, in pixels.
        telling: the concept that the other class lacks.
        shared: the concept that both classes have.

    Returns:
        image, flat (the map is the same everywhere: it has no maximum), telling_mass and shared_mass (0 to 1; 0 where a
        map is zero), hit (the maximum lies on the telling concept; where several pixels reach it, at least half of them
        do). Only images in which both concepts are: the model may have named a picture A that is none.

    Raises:
        ShapeError: the number of maps is not that of images.

    Source: the pointing game, Zhang et al. 2018, IJCV 126, section 4.1, without its tolerance of 15 pixels.

    Example:
        >>> truth = pd.DataFrame({"image": 5, "concept": ["7", "3"], "top": 0, "left": [0, 1], "height": 2, "width": 1})
        >>> truth_rows(np.array([[[0.5, 0.2], [0.3, 0.0]]]), np.array([5]), truth, "7", "3").values.tolist()
        [[5, False, 0.8, 0.2, True]]
    """
    if len(maps) != len(images):
        raise ShapeError(f"{len(maps)} maps for {len(images)} images: every image needs one")
    rows = []
    for image, values in zip(images.tolist(), maps, strict=True):
        inside = [_inside(truth, image, concept, values.shape) for concept in (telling, shared)]
        if all(each.any() for each in inside):
            flat, total = bool(values.min() == values.max()), float(values.sum())
            masses = [float(values[each].sum()) / total if total else 0.0 for each in inside]
            hit = not flat and bool(inside[0][values == values.max()].mean() >= 0.5)
            rows.append((image, flat, *masses, hit))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _inside(truth: pd.DataFrame, image: int, concept: str, size: tuple[int, ...]) -> np.ndarray:
    """``[H, W]`` bool: the pixels in the boxes of a concept."""
    inside = np.zeros(size, dtype=bool)
    boxes = truth.loc[(truth["image"] == image) & (truth["concept"] == concept), list(BOX)]
    for top, left, height, width in boxes.itertuples(index=False, name=None):
        inside[top : top + height, left : left + width] = True
    return inside


def truth_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often maps lie on what tells two classes apart, beside those of chance.

    Args:
        rows: as :func:`truth_rows` gives, with view, target_kind, method and baseline.

    Returns:
        view, target_kind, method, baseline, n_images, n_flat, telling_mass and shared_mass (means), more (share of
        images whose map has more mass on the telling concept than on the shared one) and hit (share of images whose
        maximum lies on the telling concept), both with a 95 % Wilson interval (more_low, more_high, ...). A flat map
        counts as one that does neither: its mass says only which box is larger.

    Example:
        >>> rows = pd.DataFrame({"view": "v", "target_kind": "pair", "method": "a", "baseline": "none", "flat": False,
        ...     "telling_mass": [0.5, 0.1], "shared_mass": [0.1, 0.3], "hit": [True, True]})
        >>> truth_table(rows)[["telling_mass", "shared_mass", "more", "hit"]].values.tolist()
        [[0.3, 0.2, 0.5, 1.0]]
    """
    found = []
    for values, part in rows.groupby(list(KEYS), sort=False):
        row: dict[str, Any] = dict(zip(KEYS, values, strict=True))
        row |= {"n_images": len(part), "n_flat": int(part["flat"].sum())}
        row |= {name: float(part[name].mean()) for name in ("telling_mass", "shared_mass")}
        more = (part["telling_mass"] > part["shared_mass"]) & ~part["flat"].astype(bool)
        for name, holds in (("more", more), ("hit", part["hit"])):
            low, high = wilson_interval(int(holds.sum()), len(part))
            row |= {name: float(holds.mean()), f"{name}_low": low, f"{name}_high": high}
        found.append(row)
    return pd.DataFrame(found)
