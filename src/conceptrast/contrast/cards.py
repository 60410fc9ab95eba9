"""What the figures of contrasts show: pictures, curves and words, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

PATCHES_PER_ROW = 6
"""Patches of each component that a card shows."""

IMAGES_PER_SIDE = 3
"""Images of each class in which a card shows where the class's side is."""


@dataclass(frozen=True)
class Side:
    """One class of a contrast.

    Attributes:
        class_name: the class that this side speaks for.
        n_images: images that its components come from.
        strength: ``[k]`` share of the factorized mass of each component, strongest first.
        patches: by component, best first, each ``[h, w, 3]`` uint8.
        pictures: images of the class ``[H, W, 3]`` uint8.
        distances: signed distance ``[h, w]`` of every position of each of them, positive on this class's side.
        curve: offset, baseline, p_own, p_other while the class's images are shifted towards the other class.
    """

    class_name: str
    n_images: int
    strength: np.ndarray
    patches: Sequence[Sequence[np.ndarray]]
    pictures: Sequence[np.ndarray]
    distances: Sequence[np.ndarray]
    curve: pd.DataFrame


@dataclass(frozen=True)
class ContrastCard:
    """All that the figure of a contrast shows; ``sides`` by :data:`conceptrast.contrast.components.SIDES`."""

    study: str
    facts: str
    sides: Mapping[str, Side]


@dataclass(frozen=True)
class InsertionExample:
    """One image under every condition: ``[H, W, 3]`` uint8 and the probabilities of A and B."""

    pictures: Mapping[str, np.ndarray]
    probabilities: Mapping[str, tuple[float, float]]
