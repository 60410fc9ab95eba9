"""The options of ACE: how many images, segments, clusters and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from conceptrast.base.errors import refuse_outside

LEAST = {"images": 1, "random_images": 1, "clusters": 1, "min_segments": 2, "max_segments": 2, "draws": 2}
"""The least that each number may be."""


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

    Raises:
        ConfigError: a number cannot be.
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

    def __post_init__(self) -> None:
        for number in self.segments:
            refuse_outside("segments", number, 2)
        for name, least in LEAST.items():
            refuse_outside(name, getattr(self, name), least)
        refuse_outside("significance", self.significance, 0, 1)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> AceOptions:
        """The options of a configuration entry, which must have all of them."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})
