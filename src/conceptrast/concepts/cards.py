"""What the card of a class shows: pictures and words, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

PATCHES_PER_ROW = 8
"""Number of patches that a card shows for each component."""

Box = tuple[float, float, float, float]
"""Top, left, height, width as fractions of a picture's sides."""


@dataclass(frozen=True)
class PatchRow:
    """The best patches of one component under one selection.

    Attributes:
        patches: best first, each ``[h, w, 3]`` uint8.
        source: the whole view ``[H, W, 3]`` uint8 from which the first patch was cut.
        box: the place of the first patch in this view: top, left, height, width in pixels.
        predicted: the class that the model gives the whole view.
        probability: the probability of ``predicted``.
        chosen: the rank of the patch that is part of the combined image; ``None`` if no patch is.
    """

    patches: Sequence[np.ndarray]
    source: np.ndarray
    box: tuple[int, int, int, int]
    predicted: str
    probability: float
    chosen: int | None = 0


@dataclass(frozen=True)
class Verdict:
    """The combined image of one selection and what the model says of it.

    Attributes:
        picture: ``[H, W, 3]`` uint8.
        tiles: the place of each component's patch in the picture: top, left, height, width as fractions of its sides.
        predicted: the class that the model names.
        probability: the probability of the class that the card is about.
        match: whether the model names the class that the card is about.
    """

    picture: np.ndarray
    tiles: Sequence[Box]
    predicted: str
    probability: float
    match: bool


@dataclass(frozen=True)
class Heatmap:
    """One image of the class ``[H, W, 3]`` uint8 and each component's strength in it ``[k, h, w]``, not negative."""

    picture: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True)
class ComponentFacts:
    """How far a component can be trusted.

    Attributes:
        drop: what the class's logit loses without it, the mean over images; ``None`` if that was not measured.
        low: the lower end of its 95 % interval.
        high: the upper end.
        drop_chance: what it loses without as much activation at random places and channels; ``None`` likewise.
        share: its share of what all components carry; ``None`` if they carry nothing.
        cosine: how near it is to its match in redrawn images; ``None`` if that was not measured.
        back: in which share of the samples of redrawn images it comes back; ``None`` likewise.
        returns: whether that is more than half; ``None`` likewise.
        back_chance: in which share of other classes it comes back in the same sense; ``None`` if that is not known.
    """

    drop: float | None = None
    low: float = 0.0
    high: float = 0.0
    drop_chance: float | None = None
    share: float | None = None
    cosine: float | None = None
    back: float | None = None
    returns: bool | None = None
    back_chance: float | None = None


@dataclass(frozen=True)
class ClassCard:
    """All that a class card shows.

    ``rows`` and ``verdicts`` are by selection; rows and ``facts`` are in the order of components. ``facts`` is empty
    where nothing was measured.
    """

    class_index: int
    class_name: str
    n_images: int
    study: str
    recipe: str
    rows: Mapping[str, Sequence[PatchRow]]
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    heatmaps: Sequence[Heatmap] = ()
    facts: Sequence[ComponentFacts] = ()

    @property
    def order(self) -> list[int]:
        """Numbers of components, the most important first; as they are where importance was not measured."""
        numbers = range(self.n_components)
        drops = [facts.drop for facts in self.facts]
        if len(drops) != self.n_components:
            return list(numbers)
        return sorted(numbers, key=lambda number: -(drops[number] or 0.0))

    @property
    def n_components(self) -> int:
        """Number of rows of patches in a selection."""
        return max((len(rows) for rows in self.rows.values()), default=0)
