"""The options of ACE: how many images, segments, clusters and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class AceOptions:
    """How concepts are found. The defaults are the published values.

    Args:
        segments: the numbers of superpixels; a picture is cut once for each number.
        segments_as: how segments become inputs: ``resized``, ``in_place``, or both; all are reported.
        images: the largest number of images of a class that are cut.
        random_images: the number of images of other classes that are cut.
        clusters: the number of clusters of a class's segments.
        min_segments: the least number of segments of a concept; a smaller cluster is no concept.
        max_segments: the largest number of segments that stand for a concept: those nearest to its centre.
        draws: the number of draws of random segments; each draw gives one CAV.
        significance: the highest corrected p-value of a significant concept.
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
        """The options of a configuration entry, which must have all of them."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})
