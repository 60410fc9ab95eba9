"""What the atlas's page of a contrast shows: strips of pictures, and facts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.contrast.cards import ContrastCard, Side
from conceptrast.contrast.pairs import Pair
from conceptrast.figures.contrast_card import side_places
from conceptrast.figures.picture_strip import save_strip


def save_contrast_page(card: ContrastCard, pair: Pair, folder: Path, stem: str) -> dict[str, Any]:
    """Write the pictures of the page of a contrast.

    Args:
        card: what is known of it.
        pair: A and B.
        folder: the folder of the pictures.
        stem: how their names begin.

    Returns:
        The facts of the page, ready for JSON: *first, second, facts, stem, sides*. A side has ``shares`` and numbers of
        ``patches`` (of one ``shape``) of each component in ``<stem>-<side>.webp``, the strongest first. The strip
        ``<stem>-<side>-places.webp`` has ``places`` times a picture and its two sides. ``curve`` has rows *offset,
        baseline, p_own, p_other*.
    """
    sides = {}
    for name, side in card.sides.items():
        sides[name] = _side(side)
        if any(len(patches) for patches in side.patches):
            save_strip([patch for patches in side.patches for patch in patches], folder / f"{stem}-{name}.webp")
        if side.pictures:
            save_strip(side_places(side, name), folder / f"{stem}-{name}-places.webp")
    first, second = (side.class_name for side in card.sides.values())
    return {
        "first": {"class": pair[0], "name": first},
        "second": {"class": pair[1], "name": second},
        "facts": card.facts,
        "stem": stem,
        "sides": sides,
    }


def _side(side: Side) -> dict[str, Any]:
    curve = side.curve[["offset", "baseline", "p_own", "p_other"]].to_dict("records")
    return {
        "name": side.class_name,
        "n_images": side.n_images,
        "shares": [float(share) for share in side.strength],
        "patches": [len(patches) for patches in side.patches],
        "shape": next((patches[0].shape[:2] for patches in side.patches if len(patches)), (1, 1)),
        "places": len(side.pictures),
        "curve": [{str(key): value for key, value in row.items()} for row in curve],
    }
