"""From the maps of a view to the rows of its figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import pandas as pd

from conceptrast.base.names import short
from conceptrast.concepts.patches import BOX
from conceptrast.data.loose_pictures import UNLABELLED
from conceptrast.figures.saliency import MOST_ROWS, Looked
from conceptrast.models.pictures import Pictures, pixels
from conceptrast.saliency import CLASS_BLIND
from conceptrast.saliency.known_concepts import Known

PER_PAIR = 2  # images of a pair of classes that are shown
HEADINGS = {"class": "why A", "difference": "why A and not B"}


def rows_of_view(
    pictures: Pictures,
    subjects: pd.DataFrame,
    maps: Mapping[str, np.ndarray],
    known: Known | None = None,
    per_pair: int | None = None,
) -> list[Looked]:
    """A row for every image and pair of classes, with one map for each kind of subject and method.

    Args:
        pictures: the images and the model.
        subjects: usable rows image, kind, toward, versus, toward_name, versus_name, label_name, predicted_name,
            predicted_probability, probability (of what the map speaks for).
        maps: ``[n, H, W]`` by method, in the order of the subjects.
        known: what is where, if that is known: what tells A from B is outlined.
        per_pair: images of a pair of classes at most; all if ``None``.

    Returns:
        Rows in the order of the images; pairs of classes in turn.
    """
    groups = _groups(subjects, per_pair)
    views = pictures.by_id(np.array(list(dict.fromkeys(image for image, _ in groups))))
    found = []
    for image, places in groups:
        part = subjects.loc[places]
        shown = {}
        for method, values in maps.items():
            for place, kind in zip(places, part["kind"], strict=True):
                shown[_heading(kind, method)] = values[place]
        last = part.iloc[-1]
        boxes = _boxes(image, (int(last["toward"]), int(last["versus"])), known)
        found.append(Looked(pixels(views[image]), _lines(last), shown, boxes))
    return found


def note_of(source: str, rows: Sequence[Looked], known: Known | None) -> str:
    """Line below the heading of a view's figure.

    Example:
        >>> note_of("resnet50 at layer4", [], None)
        'resnet50 at layer4; each map is relative to its own maximum'
    """
    note = f"{source}; each map is relative to its own maximum"
    if known is not None:
        note += "; outlined: what A has and B has not"
    return note + (f"; the first {MOST_ROWS} of {len(rows)} pictures" if len(rows) > MOST_ROWS else "")


def _groups(subjects: pd.DataFrame, per_pair: int | None) -> list[tuple[int, list[int]]]:
    """Image and places of the subjects that share a row: for its class, and for its class and not one other.

    All pairs of classes come in turn, so that the first rows show each of them.
    """
    keys = list(zip(*(subjects[name].tolist() for name in ("image", "kind", "toward", "versus")), strict=True))
    alone = {(image, toward): place for place, (image, kind, toward, _) in enumerate(keys) if kind != "difference"}
    paired = [(place, key) for place, key in enumerate(keys) if key[1] == "difference"]
    turns: Counter[tuple[int, int]] = Counter()
    groups: list[tuple[int, int, list[int]]] = []
    for place, (image, _, toward, versus) in paired:
        own = [alone[image, toward]] if (image, toward) in alone else []
        groups.append((turns[toward, versus], image, [*own, place]))
        turns[toward, versus] += 1
    shown = {place for _, _, places in groups for place in places}
    groups += [(0, image, [place]) for (image, _), place in alone.items() if place not in shown]
    shown_ones = [group for group in groups if per_pair is None or group[0] < per_pair]
    return [(image, places) for _, image, places in sorted(shown_ones, key=lambda group: group[0])]


def _heading(kind: str, method: str) -> str:
    name = method.replace("_", " ") + (" (no class)" if method in CLASS_BLIND else "")
    return name if kind == "predicted" or method in CLASS_BLIND else f"{HEADINGS[kind]},\n{name}"


def _lines(row: pd.Series) -> list[str]:
    """What the model says of the picture, and what the map speaks for where that is something else."""
    said = f"says {short(row['predicted_name'], 22)}, {row['predicted_probability']:.2f}"
    if row["kind"] == "difference":
        against = f"A = {short(row['toward_name'], 16)}, B = {short(row['versus_name'], 16)}"
        return [said, f"{against}: {row['probability']:.2f}"]
    if row["kind"] == "class":
        return [said, f"A = {short(row['toward_name'], 22)}: {row['probability']:.2g}"]
    unlabelled = row["label_name"] == UNLABELLED
    return [said, short(PurePath(row["path"]).name, 30) if unlabelled else f"labelled {short(row['label_name'], 20)}"]


def _boxes(image: int, pair: tuple[int, int], known: Known | None) -> Sequence[Sequence[float]]:
    if known is None or pair not in known.concepts:
        return ()
    rows = known.truth[(known.truth["image"] == image) & (known.truth["concept"] == known.concepts[pair][0])]
    return rows[list(BOX)].to_numpy(dtype=float).tolist()
