"""Positions of pictures whose answer is planted, for tests of the tables of a bias."""

from __future__ import annotations

import numpy as np
import pandas as pd


def planted(knows_rotation: bool, n: int = 60, seed: int = 0) -> pd.DataFrame:
    """Biased pictures whose positions follow the rotation, or the class alone."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    rotation = 90 * (rng.random(n) + labels)
    position = rotation / 90 - 1 if knows_rotation else 2.0 * labels - 1 + rng.normal(size=n)
    return pd.DataFrame(
        {
            "image": np.arange(n),
            "label": labels,
            "rotation": rotation,
            "position": position,
            "probability": labels * 0.8 + 0.1,
        }
    )
