"""Tables of the networks that a run trains; without torch."""

from __future__ import annotations

from typing import Any

import pandas as pd


def model_summary(history: pd.DataFrame) -> dict[str, Any]:
    """Last epoch of a training: epochs, validation_accuracy. Times are in the history: a table is the same every time.

    Example:
        >>> model_summary(pd.DataFrame({"epoch": [1, 2], "validation_accuracy": [0.5, 0.9]}))
        {'epochs': 2, 'validation_accuracy': 0.9}
    """
    return {
        "epochs": len(history),
        "validation_accuracy": float(history["validation_accuracy"].iloc[-1]),
    }
