"""Tables of the networks that a run trains. This file needs no torch."""

from __future__ import annotations

from typing import Any

import pandas as pd


def model_summary(history: pd.DataFrame) -> dict[str, Any]:
    """Last epoch of a training: epochs, validation_accuracy. It has no times, so that the table is always the same.

    Example:
        >>> model_summary(pd.DataFrame({"epoch": [1, 2], "validation_accuracy": [0.5, 0.9]}))
        {'epochs': 2, 'validation_accuracy': 0.9}
    """
    return {
        "epochs": len(history),
        "validation_accuracy": float(history["validation_accuracy"].iloc[-1]),
    }
