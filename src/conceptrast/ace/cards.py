"""What the figure of a class's ACE concepts shows: pictures, scores and words, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXAMPLES_PER_ROW = 8
"""Number of segments that a card shows for each concept."""


@dataclass(frozen=True)
class ConceptRow:
    """One concept: pictures ``[H, W, 3]`` with their segments ``[H, W]``, scores ``[D]``, and lines of text."""

    examples: Sequence[tuple[np.ndarray, np.ndarray]]
    scores: np.ndarray
    speaks: str
    facts: str
    shows: str = ""


@dataclass(frozen=True)
class AceCard:
    """All that the figure of a class shows; ``random`` are the scores of random CAVs ``[D]``."""

    class_name: str
    facts: str
    rows: Sequence[ConceptRow]
    random: np.ndarray
    left_out: Sequence[str] = ()
