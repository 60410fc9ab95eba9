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


def training_curve(history: pd.DataFrame) -> pd.DataFrame:
    """Every epoch of a training: epoch, train_loss, train_accuracy, validation_accuracy; no times here, either.

    Example:
        >>> history = {"epoch": [1, 2], "train_loss": [0.7, 0.1], "train_accuracy": [0.6, 0.9], "seconds": [3.0, 2.0]}
        >>> training_curve(pd.DataFrame({**history, "validation_accuracy": [0.5, 0.9]})).to_dict("records")[1]
        {'epoch': 2, 'train_loss': 0.1, 'train_accuracy': 0.9, 'validation_accuracy': 0.9}
    """
    return history[["epoch", "train_loss", "train_accuracy", "validation_accuracy"]]
