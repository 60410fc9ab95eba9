"""The content of a view's figure: pictures, their maps, and what the model says of them, ready to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd

from conceptrast.base.names import short
from conceptrast.concepts.patches import BOX
from conceptrast.data.loose_pictures import UNLABELLED
from conceptrast.data.view_pixels import pixels
from conceptrast.models.pictures import Pictures
from conceptrast.saliency import CLASS_BLIND
from conceptrast.saliency.known_concepts import KnownConcepts

IMAGES_PER_PAIR = 2
"""Number of images that the figure of a view shows for each pair of classes."""

QUESTIONS = {"class": "why A", "difference": "why A and not B"}


@dataclass(frozen=True)
class PictureMaps:
    """A picture, and the places in it where the model looks.

    Attributes:
        picture: ``[H, W, 3]`` uint8.
        lines: the text below the picture, two lines at most.
        maps: ``[H, W]`` in [0, 1] by heading; the first is drawn in three ways, the others over the picture.
        boxes: top, left, height, width of the outlines in the picture, in its pixels.
    """

    picture: np.ndarray
    lines: Sequence[str]
    maps: Mapping[str, np.ndarray]
    boxes: Sequence[Sequence[float]] = ()


def picture_maps(
    pictures: Pictures,
    subjects: pd.DataFrame,
    maps: Mapping[str, np.ndarray],
    known: KnownConcepts | None = None,
    per_pair: int | None = None,
) -> list[PictureMaps]:
    """Make one item for every image and pair of classes, with one map for each kind of target and method.

    Args:
        pictures: the images and the model.
        subjects: usable rows image, kind, toward, versus, toward_name, versus_name, label_name, predicted_name,
            predicted_probability, probability (of what the map speaks for).
        maps: ``[n, H, W]`` by method, in the order of the subjects.
        known: the places of concepts, if they are known. Then the concept that tells A from B is outlined.
        per_pair: the largest number of images for each pair of classes; ``None`` means all.

    Returns:
        Items in the order of the images. Pairs of classes take turns.
    """
    # The subjects that share a picture.
    groups = _groups(subjects, per_pair)
    views = pictures.by_id(np.array(list(dict.fromkeys(image for image, _ in groups))))
    # An item for each of these pictures.
    items = []
    for image, places in groups:
        rows = subjects.loc[places]
        last = rows.iloc[-1]
        items.append(
            PictureMaps(
                picture=pixels(views[image]),
                lines=_lines(last),
                maps={
                    _heading(kind, method): values[place]
                    for method, values in maps.items()
                    for place, kind in zip(places, rows["kind"], strict=True)
                },
                boxes=_boxes(image, (int(last["toward"]), int(last["versus"])), known),
            )
        )
    return items


def _groups(subjects: pd.DataFrame, per_pair: int | None) -> list[tuple[int, list[int]]]:
    """The image and the places of the subjects that share an item: one for a class, one for the class and not another.

    The pairs of classes take turns, so that the first items show every pair.
    """
    # The places of the maps of one class, and of the maps of one class and not another.
    keys = list(zip(*(subjects[name].tolist() for name in ("image", "kind", "toward", "versus")), strict=True))
    of_class = {(image, toward): place for place, (image, kind, toward, _) in enumerate(keys) if kind != "difference"}
    of_pairs = [(place, key) for place, key in enumerate(keys) if key[1] == "difference"]
    # A difference of classes stands beside the class itself.
    turns: Counter[tuple[int, int]] = Counter()
    groups: list[tuple[int, int, list[int]]] = []
    for place, (image, _, toward, versus) in of_pairs:
        first = [of_class[image, toward]] if (image, toward) in of_class else []
        groups.append((turns[toward, versus], image, [*first, place]))
        turns[toward, versus] += 1
    # A class without a difference beside it has its own item.
    used = {place for _, _, places in groups for place in places}
    groups += [(0, image, [place]) for (image, _), place in of_class.items() if place not in used]
    kept = [group for group in groups if per_pair is None or group[0] < per_pair]
    return [(image, places) for _, image, places in sorted(kept, key=lambda group: group[0])]


def _heading(kind: str, method: str) -> str:
    name = method.replace("_", " ") + (" (no class)" if method in CLASS_BLIND else "")
    return name if kind == "predicted" or method in CLASS_BLIND else f"{QUESTIONS[kind]},\n{name}"


def _lines(subject: pd.Series) -> list[str]:
    """What the model says of the picture, and the class that the map speaks for if it is another."""
    prediction = f"says {short(subject['predicted_name'], 22)}, {subject['predicted_probability']:.2f}"
    if subject["kind"] == "difference":
        pair = f"A = {short(subject['toward_name'], 16)}, B = {short(subject['versus_name'], 16)}"
        return [prediction, f"{pair}: {subject['probability']:.2f}"]
    if subject["kind"] == "class":
        return [prediction, f"A = {short(subject['toward_name'], 22)}: {subject['probability']:.2g}"]
    if subject["label_name"] == UNLABELLED:
        return [prediction, short(PurePath(subject["path"]).name, 30)]
    return [prediction, f"labelled {short(subject['label_name'], 20)}"]


def _boxes(image: int, pair: tuple[int, int], known: KnownConcepts | None) -> Sequence[Sequence[float]]:
    """Boxes of the concept that tells the first class of a pair from the second."""
    if known is None or pair not in known.concepts:
        return ()
    concept, _ = known.concepts[pair]
    boxes = known.truth[(known.truth["image"] == image) & (known.truth["concept"] == concept)]
    return boxes[list(BOX)].to_numpy(dtype=float).tolist()
