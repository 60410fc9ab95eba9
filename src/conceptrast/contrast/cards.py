"""What the figures of contrasts show: pictures, curves and words, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

PATCHES_PER_ROW = 6
"""Number of patches that a card shows for each component."""

IMAGES_PER_SIDE = 3
"""Number of images of each class in which a card shows the class's side."""


@dataclass(frozen=True)
class Side:
    """One class of a contrast.

    Attributes:
        class_name: the class that this side speaks for.
        n_images: the number of images that its components come from.
        strength: ``[k]`` each component's share of the factorized mass, strongest first.
        patches: the patches of each component, best first, each ``[h, w, 3]`` uint8.
        pictures: images of the class ``[H, W, 3]`` uint8.
        distances: for each picture the signed distance ``[h, w]`` of every position, positive on this class's side.
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
