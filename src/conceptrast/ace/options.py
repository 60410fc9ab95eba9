"""The options of ACE: how many images, segments, clusters and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class AceOptions:
    """How concepts are found; defaults as published.

    Args:
        segments: numbers of superpixels that a picture is cut into, one after the other.
        segments_as: how segments become inputs, ``resized`` or ``in_place``; with both, both are reported.
        images: of a class that are cut at most.
        random_images: of other classes that are cut.
        clusters: of a class's segments.
        min_segments: a smaller cluster is no concept.
        max_segments: nearest to its centre that stand for a concept.
        draws: of random segments, each with a CAV of its own.
        significance: highest corrected p-value of a significant concept.
    """

    segments: Sequence[int] = (15, 50, 80)
    segments_as: Sequence[str] = ("resized",)
    images: int = 50
    random_images: int = 50
    clusters: int = 25
    min_segments: int = 20
    max_segments: int = 40
    draws: int = 20
    significance: float = 0.01

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> AceOptions:
        """From an entry of a configuration, which has all of them."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})
