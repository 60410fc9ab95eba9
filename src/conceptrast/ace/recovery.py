"""Do the concepts of ACE show the things that a class's pictures are known to show?

This test needs a dataset whose truth is known. A class's *own* things are in all its pictures (its digits). *Other*
things are in some of them (a planted portrait, or a digit that the model took for another). Everything else is
*texture*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.ace.concepts import AGAINST, FOR, Concepts
from conceptrast.ace.segments import Labels, Segments
from conceptrast.base.names import ALL_CLASSES
from conceptrast.base.statistics import wilson_interval
from conceptrast.concepts.patches import BOX
from conceptrast.concepts.recovery import OVERLAP

TEXTURE = "texture"
ROLES = ("own", "other", TEXTURE)


def things_in_segments(masks: np.ndarray, boxes: np.ndarray, things: Sequence[str]) -> list[str]:
    r"""The thing that each segment of an image shows.

    .. math:: o = \frac{|s \cap b|}{\min(|s|, |b|)}

    A segment shows the thing whose box has the largest overlap coefficient with it, if this coefficient is at least one
    half. That is, at least half of the segment lies in the box, or the segment covers at least half of the box.

    Args:
        masks: ``[S, H, W]`` bool.
        boxes: ``[n, 4]`` top, left, height, width in pixels.
        things: ``[n]``, the things in the boxes.

    Returns:
        ``[S]``; ``texture`` for a segment that shows none of the things.

    Example:
        >>> masks = np.zeros((3, 4, 4), bool)
        >>> masks[0, :2, :2] = masks[1, :, :2] = masks[2, 3] = True
        >>> things_in_segments(masks, np.array([[0, 0, 2, 3]]), ["7"])
        ['7', '7', 'texture']
    """
    if not len(boxes):
        return [TEXTURE] * len(masks)
    windows = [masks[:, top : top + height, left : left + width] for top, left, height, width in boxes.tolist()]
    inside = np.stack([window.sum(axis=(1, 2)) for window in windows], axis=1)
    overlap = inside / np.minimum(masks.sum(axis=(1, 2))[:, None], boxes[:, 2] * boxes[:, 3])
    best = overlap.argmax(axis=1)
    return [things[at] if row[at] >= OVERLAP else TEXTURE for at, row in zip(best, overlap, strict=True)]


def labels_of(truth: pd.DataFrame) -> Labels:
    """A function that names the thing that each segment of an image shows.

    Args:
        truth: image, concept, top, left, height, width in pixels of the view.

    Returns:
        A function of an image's id and the masks ``[S, H, W]`` of its segments; see :func:`things_in_segments`.
    """

    def labels(image: int, masks: np.ndarray) -> list[str]:
        inside = truth[truth["image"] == image]
        return things_in_segments(masks, inside[list(BOX)].to_numpy(np.int64), inside["concept"].to_list())

    return labels


def with_shown_things(concepts: Concepts, segments: Segments, own_things: Sequence[str]) -> pd.DataFrame:
    """The table of a class's concepts, with the things that they show.

    Args:
        concepts: the concepts of the class.
        segments: the segments of the class's images, with ``shows``.
        own_things: the things that are in all of the class's pictures.

    Returns:
        The table with the columns shows (the thing that most of a concept's segments show), purity (the share of these
        segments), role (``own``, ``other`` or ``texture``) and true_concepts. They are empty if a row is no concept.
    """
    named = segments.table["shows"].to_numpy()
    majorities = [_majority(named[rows].tolist(), own_things) for rows in [*concepts.members, *concepts.chance]]
    table = concepts.table.copy()
    for key in ("shows", "purity", "role"):
        table[key] = pd.Series([row[key] for row in majorities], dtype=object).reindex(range(len(table)))
    return table.assign(true_concepts=", ".join(own_things))


def recovery_table(concepts: pd.DataFrame) -> pd.DataFrame:
    """Count the concepts that speak for or against a class, by what they show: own things, other things or textures.

    Args:
        concepts: class_name, segments_as, baseline, status, shows, purity, role, speaks, true_concepts.

    Returns:
        One row for each class, shape of segments and baseline. Rows with ``class_name`` ``all classes`` hold the sums.
        The columns are n_concepts; for each of own, other and texture the number of concepts (``own``), and the numbers
        of significant concepts that speak for the class (``own_for``) and against it (``own_against``); own_share, the
        share of own among all concepts that speak for the class, with low and high (95 % Wilson interval; empty if no
        concept speaks for it); n_true, the number of the class's own things; n_found, how many of these a concept shows
        that speaks for the class; purity (mean).
    """
    tested = concepts[concepts["status"] == "ok"]
    rows = []
    for (shape, baseline), part in tested.groupby(["segments_as", "baseline"], sort=False):
        counts = [_counts(of_class) for _, of_class in part.groupby("class_name", sort=False)]
        whole = {key: sum(count[key] for count in counts) for key in counts[0]}
        names = [*part["class_name"].drop_duplicates(), ALL_CLASSES]
        for name, count in zip(names, [*counts, whole], strict=True):
            purity = part if name == ALL_CLASSES else part[part["class_name"] == name]
            row = {"class_name": name, "segments_as": shape, "baseline": baseline, **count, **_share(count)}
            rows.append(row | {"purity": float(purity["purity"].astype(float).mean())})
    return pd.DataFrame(rows)


def _counts(concepts: pd.DataFrame) -> dict[str, int]:
    counts = {"n_concepts": len(concepts)}
    for role in ROLES:
        speaks = concepts.loc[concepts["role"] == role, "speaks"]
        counts |= {role: len(speaks), f"{role}_for": int((speaks == FOR).sum())}
        counts[f"{role}_against"] = int((speaks == AGAINST).sum())
    true = [name for name in str(concepts["true_concepts"].fillna("").iloc[0]).split(", ") if name]
    seen = set(concepts.loc[(concepts["role"] == "own") & (concepts["speaks"] == FOR), "shows"].astype(str))
    return counts | {"n_true": len(true), "n_found": len(seen)}


def _share(count: Mapping[str, int]) -> dict[str, Any]:
    n = sum(count[f"{role}_for"] for role in ROLES)
    low, high = wilson_interval(count["own_for"], n)
    return {"own_share": count["own_for"] / n if n else None, "low": low, "high": high}


def _majority(names: Sequence[str], own_things: Sequence[str]) -> dict[str, Any]:
    """The thing that most segments show. If several are equally frequent, the first one in the alphabet."""
    name, count = min(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    role = "own" if name in own_things else TEXTURE if name == TEXTURE else "other"
    return {"shows": name, "purity": count / len(names), "role": role}
