"""What the atlas's page of a class shows: strips of pictures, and facts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.concepts.cards import ClassCard, PatchRow
from conceptrast.figures.class_card import component_places
from conceptrast.figures.picture_strip import save_strip

MOST_PATCHES = 48
"""Number of patches on a page; its card, which has more, is linked."""


def save_class_page(card: ClassCard, folder: Path, stem: str) -> dict[str, Any]:
    """Write the pictures of the page of a class.

    Args:
        card: what is known of the class.
        folder: the folder of the pictures.
        stem: how their names begin.

    Returns:
        The facts of the page, ready for JSON: *class, name, n_images, recipe, stem, components, selections, places*.
        Components and everything that is listed by component have the most important first. In a selection,
        ``patches`` is the number of patches of each component in ``<stem>-<selection>.webp``, one component after the
        other; ``<stem>-<selection>-sources.webp`` has a picture for each component. ``<stem>-places.webp`` has
        ``places`` rows of a picture and a map of each component.
    """
    patches_each = max(1, MOST_PATCHES // max(1, card.n_components * len(card.rows)))
    selections = {}
    for selection, rows in card.rows.items():
        ordered = [rows[component] for component in card.order if component < len(rows)]
        if any(len(row.patches) for row in ordered):
            selections[selection] = _selection(card, selection, ordered, patches_each)
            name = f"{stem}-{selection}"
            save_strip(
                [patch for row in ordered for patch in row.patches[:patches_each]],
                folder / f"{name}.webp",
            )
            save_strip([row.source for row in ordered], folder / f"{name}-sources.webp")
            if selection in card.verdicts:
                save_strip([card.verdicts[selection].picture], folder / f"{name}-combined.webp", most=224)
    if card.heatmaps:
        save_strip([view for views in component_places(card) for view in views], folder / f"{stem}-places.webp")
    return {
        "class": card.class_index,
        "name": card.class_name,
        "n_images": card.n_images,
        "recipe": card.recipe,
        "stem": stem,
        "components": [_component(card, component) for component in card.order],
        "selections": selections,
        "places": len(card.heatmaps),
    }


def _component(card: ClassCard, component: int) -> dict[str, Any]:
    """The facts of one component; what was not measured is ``None``."""
    facts = card.facts[component] if component < len(card.facts) else None
    names = ("drop", "low", "high", "drop_chance", "share", "cosine", "back", "back_chance", "returns")
    return {"component": component, **{name: None if facts is None else getattr(facts, name) for name in names}}


def _selection(card: ClassCard, selection: str, rows: list[PatchRow], patches_each: int) -> dict[str, Any]:
    """The facts of one selection of images."""
    verdict = card.verdicts.get(selection)
    return {
        "patches": [min(patches_each, len(row.patches)) for row in rows],
        "shape": list(rows[0].patches[0].shape[:2]),
        "chosen": [row.chosen for row in rows],
        "sources": [
            {
                "predicted": row.predicted,
                "probability": row.probability,
                "box": _box(row),
                "shape": row.source.shape[:2],
            }
            for row in rows
        ],
        "verdict": None
        if verdict is None
        else {
            "predicted": verdict.predicted,
            "probability": verdict.probability,
            "match": verdict.match,
            "shape": verdict.picture.shape[:2],
        },
    }


def _box(row: PatchRow) -> list[float]:
    """The place of the first patch in its picture: top, left, height, width as percentages of its sides."""
    height, width = row.source.shape[:2]
    return [100 * part / side for part, side in zip(row.box, (height, width, height, width), strict=True)]
