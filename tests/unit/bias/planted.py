"""Positions of pictures whose answer is planted, for tests of the tables of a bias."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from conceptrast.bias.latent_space import turned_rows
from conceptrast.bias.table import NetworkResults


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
            "position_regression": position,
            "probability": labels * 0.8 + 0.1,
        }
    )


Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]
ANSWERS: dict[str, Answer] = {
    "rotation": lambda rotation, _labels: (rotation > 90).astype(float),
    "class": lambda _rotation, labels: labels.astype(float),
    "class, one time in ten the rotation": lambda rotation, labels: np.where(
        rotation % 10 < 1, rotation > 90, labels
    ).astype(float),
    "nothing": lambda rotation, _labels: np.full(len(rotation), 0.4),
}
"""Probabilities of class 2 of a network that goes by the rotation alone, by the class alone, mostly by the class, and
by nothing."""


def results_of(answer: str, biased: bool = True, n: int = 60, reading_error: float = 5.0) -> NetworkResults:
    """What is known of a network with a planted answer: positions go along with probabilities, or are noise."""
    rng = np.random.default_rng(1)
    head = pd.DataFrame({"image": np.arange(n), "label": np.arange(n) % 2})
    head["label_name"] = head["label"].map({0: "cat", 1: "dog"})
    turned = turned_rows(head, seed=0)

    def answered(table: pd.DataFrame) -> pd.DataFrame:
        probability = ANSWERS[answer](table["rotation"].to_numpy(), table["label"].to_numpy())
        position = 2 * probability - 1 + 0.1 * rng.normal(size=len(table))
        return table.assign(probability=probability, position=position, position_regression=position)

    turned = answered(turned).assign(reading=lambda table: table["rotation"].where(table["turned"] == "unbiased"))
    as_trained = turned[turned["turned"] == ("biased" if biased else "unbiased")].drop(columns=["turned", "reading"])
    return NetworkResults(
        positions=as_trained.reset_index(drop=True),
        turned=turned,
        directions=pd.DataFrame({"direction": ["means", "regression"], "reach": 1.0}),
        content={"r2_turn": 0.5, "r2_double_turn": 0.25},
        history=pd.DataFrame({"epoch": [1], "train_loss": [0.1]}),
        reading_error=reading_error,
    )
