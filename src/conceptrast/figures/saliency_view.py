"""From the maps of a view to the rows of its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from conceptrast.figures.canvas import short
from conceptrast.figures.evidence import pixels
from conceptrast.figures.saliency import MOST_ROWS, Looked
from conceptrast.patches import BOX
from conceptrast.pictures import Pictures
from conceptrast.saliency.view_truth import Known

HEADINGS = {"predicted": "why this class", "class": "why A", "difference": "why A and not B"}


def rows_of_view(
    pictures: Pictures,
    subjects: pd.DataFrame,
    maps: Mapping[str, np.ndarray],
    known: Known | None = None,
) -> list[Looked]:
    """A row for every image and pair of classes, with one map for each kind of subject and method.

    Args:
        pictures: the images and the model.
        subjects: usable rows image, kind, toward, versus, toward_name, versus_name, label_name, predicted_name,
            predicted_probability.
        maps: ``[n, H, W]`` by method, in the order of the subjects.
        known: what is where, if that is known: what tells A from B is outlined.
    """
    groups = _groups(subjects)[:MOST_ROWS]
    views = pictures.by_id(np.array(list(dict.fromkeys(image for image, _ in groups))))
    found = []
    for image, places in groups:
        part = subjects.loc[places]
        shown = {}
        for method, values in maps.items():
            for row in part.itertuples():
                shown[_heading(str(row.kind), method, len(maps))] = values[row.Index]
        last = part.iloc[-1]
        boxes = _boxes(image, (int(last["toward"]), int(last["versus"])), known)
        found.append(Looked(pixels(views[image]), _lines(last), shown, boxes))
    return found


def _groups(subjects: pd.DataFrame) -> list[tuple[int, list[int]]]:
    """Places of the subjects that share a row: an image for its class, and for its class and not one other."""
    groups: list[tuple[int, list[int]]] = []
    alone = {(int(row.image), int(row.toward)): row.Index for row in subjects.itertuples() if row.kind != "difference"}
    paired = [row for row in subjects.itertuples() if row.kind == "difference"]
    for row in paired:
        groups.append((int(row.image), [alone[int(row.image), int(row.toward)], row.Index]))
    used = {place for _, places in groups for place in places}
    groups += [(image, [place]) for (image, _), place in alone.items() if place not in used]
    # All pairs in turn, so that the first rows of a figure show each of them.
    turn: dict[tuple[int, int], int] = {}
    order = []
    for image, places in groups:
        key = (int(subjects.loc[places[-1], "toward"]), int(subjects.loc[places[-1], "versus"])) if paired else (0, 0)
        turn[key] = turn.get(key, -1) + 1
        order.append((turn[key], image, places))
    return [(image, places) for _, image, places in sorted(order, key=lambda each: each[0])]


def _heading(kind: str, method: str, methods: int) -> str:
    name = method.replace("_", " ")
    if kind == "predicted":
        return name
    return HEADINGS[kind] if methods == 1 else f"{HEADINGS[kind]}, {name}"


def _lines(row: pd.Series) -> list[str]:
    """What the model says of the picture, and what the map speaks for where that is something else."""
    said = f"says {short(row['predicted_name'], 22)}, {row['predicted_probability']:.2f}"
    if row["kind"] == "difference":
        against = f"A = {short(row['toward_name'], 16)}, B = {short(row['versus_name'], 16)}"
        return [said, against]
    if row["kind"] == "class":
        return [said, f"map for {short(row['toward_name'], 22)}"]
    return [said, f"labelled {short(row['label_name'], 20)}"]


def _boxes(image: int, pair: tuple[int, int], known: Known | None) -> Sequence[Sequence[float]]:
    if known is None or pair not in known.telling:
        return ()
    rows = known.truth[(known.truth["image"] == image) & (known.truth["concept"] == known.telling[pair][0])]
    return rows[list(BOX)].to_numpy(dtype=float).tolist()
