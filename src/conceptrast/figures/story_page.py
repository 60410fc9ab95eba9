"""What the atlas shows of a picture on its way: the original, a film strip of what is decoded, and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.counterfactual.story import Story
from conceptrast.figures.picture_strip import save_strip

MOST_PIXELS = 128
"""Longest side of a frame. Thirteen frames of a photograph then have less than 60 KB."""


def save_story(story: Story, folder: Path, stem: str) -> dict[str, Any]:
    """Write the pictures of one story.

    Args:
        story: a picture on its way.
        folder: the folder of the pictures.
        stem: how their names begin.

    Returns:
        The facts, ready for JSON: *stem, edit, kind, direction, frames, shape, lambdas, probabilities, reached*.
        ``<stem>.webp`` has the original, then ``frames`` decoded pictures. For each of these, ``probabilities`` are
        those of A and B by the whole network.
    """
    save_strip([story.original, *story.frames], folder / f"{stem}.webp", most=MOST_PIXELS)
    return {
        "stem": stem,
        "edit": story.edit.name,
        "kind": story.edit.kind,
        "direction": story.edit.direction,
        "frames": len(story.frames),
        "shape": story.original.shape[:2],
        "lambdas": [float(value) for value in story.lambdas],
        "probabilities": [[float(value) for value in pair] for pair in story.decoded],
        "reached": story.reached,
    }
