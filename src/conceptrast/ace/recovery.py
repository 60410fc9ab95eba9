"""Do the concepts that ACE finds show the things that are known to be in a class's pictures?

For datasets whose truth is known. Of a class's pictures, its *own* things are in all of them (its digits), *other*
things in some (a planted portrait, a digit that the model took for another), and everything else is *texture*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.ace.concepts import AGAINST, FOR, Concepts
from conceptrast.ace.segments import Labels, Segments
from conceptrast.base.statistics import ALL_CLASSES, wilson_interval
from conceptrast.concepts.patches import BOX
from conceptrast.concepts.recovery import OVERLAP

TEXTURE = "texture"
ROLES = ("own", "other", TEXTURE)


def things_in_segments(masks: np.ndarray, boxes: np.ndarray, things: Sequence[str]) -> list[str]:
    r"""What each segment of an image shows.

    .. math:: o = \frac{|s \cap b|}{\min(|s|, |b|)}

    A segment shows the thing with whose box it has the largest overlap coefficient, if that is at least one half: it
    lies in the box for the most part, or holds most of it.

    Args:
        masks: ``[S, H, W]`` bool.
        boxes: ``[n, 4]`` top, left, height, width in pixels.
        things: ``[n]``, what is in the boxes.

    Returns:
        ``[S]``; ``texture`` where it is none of them.

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
    """A function that names what each segment of an image shows.

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
    """The table of a class's concepts with what they show.

    Args:
        concepts: of the class.
        segments: of its images, with ``shows``.
        own_things: those that are in all of the class's pictures.

    Returns:
        The table with columns shows (what most of a concept's segments show), purity (share of them), role (``own``,
        ``other`` or ``texture``) and true_concepts; empty where a row is no concept.
    """
    named = segments.table["shows"].to_numpy()
    majorities = [_majority(named[rows].tolist(), own_things) for rows in [*concepts.members, *concepts.chance]]
    table = concepts.table.copy()
    for key in ("shows", "purity", "role"):
        table[key] = pd.Series([row[key] for row in majorities], dtype=object).reindex(range(len(table)))
    return table.assign(true_concepts=", ".join(own_things))


def recovery_table(concepts: pd.DataFrame) -> pd.DataFrame:
    """Of the concepts that speak for a class or against it, how many show its own things, other things, textures.

    Args:
        concepts: class_name, segments_as, baseline, status, shows, purity, role, speaks, true_concepts.

    Returns:
        One row per class, shape of segments and baseline, and with ``class_name`` ``all classes`` their sums:
        n_concepts; for each of own, other and texture the number of concepts (``own``) and of those significant ones
        that speak for the class and against it (``own_for``, ``own_against``); own_share of all that speak for it, with
        low and high (95 % Wilson interval; the share is empty where none does); n_true things of the class and n_found
        of them, shown by a concept that speaks for it; purity (mean).
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
    """What most segments show; of equally frequent things the first one in the alphabet."""
    name, count = min(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    role = "own" if name in own_things else TEXTURE if name == TEXTURE else "other"
    return {"shows": name, "purity": count / len(names), "role": role}
