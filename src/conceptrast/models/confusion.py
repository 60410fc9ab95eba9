"""Count which labels a classifier predicts as which classes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from conceptrast.base.statistics import wilson_interval

COLUMNS = ("label", "label_name", "predicted", "predicted_name", "n", "share")


def confusion(predictions: pd.DataFrame, labels: Sequence[str], outputs: Sequence[str]) -> pd.DataFrame:
    r"""Count how often pictures of each label are predicted as each class.

    .. math:: n_{yc} = |\{i : y_i = y, \hat y_i = c\}|, \qquad \mathrm{share}_{yc} = n_{yc} \Big/ \sum_{c'} n_{yc'}

    Args:
        predictions: label, predicted; one row for each picture.
        labels: names by label.
        outputs: names by output of the model; a label and an output with the same number are the same class.

    Returns:
        label, label_name, predicted, predicted_name, n, share (of the label's pictures, 0 to 1); one row for each pair
        that occurs, by label and prediction.

    Example:
        >>> predictions = pd.DataFrame({"label": [0, 1, 1, 1, 1], "predicted": [0, 1, 0, 1, 1]})
        >>> confusion(predictions, ["cat", "dog"], ["cat", "dog"])[["label_name", "predicted_name", "n", "share"]]
          label_name predicted_name  n  share
        0        cat            cat  1   1.00
        1        dog            cat  1   0.25
        2        dog            dog  3   0.75
    """
    counts = predictions.groupby(["label", "predicted"]).size().rename("n").reset_index()
    counts["share"] = counts["n"] / counts.groupby("label")["n"].transform("sum")
    names = {"label": labels, "predicted": outputs}
    columns = {f"{key}_name": [names[key][number] for number in counts[key]] for key in names}
    return counts.assign(**columns)[list(COLUMNS)]


def right_of(rows: pd.DataFrame) -> tuple[int, int]:
    """Number of pictures whose prediction is their label, and number of all pictures.

    Args:
        rows: rows of one model, as :func:`confusion` returns them.

    Example:
        >>> right_of(pd.DataFrame({"label": [0, 1, 1], "predicted": [0, 0, 1], "n": [1, 1, 3]}))
        (4, 5)
    """
    return int(rows.loc[rows["label"] == rows["predicted"], "n"].sum()), int(rows["n"].sum())


def accuracies(confusion: pd.DataFrame) -> dict[str, float]:
    """Accuracy of each trained model as ``<model>/accuracy``, and the ends of its 95 % Wilson interval.

    Args:
        confusion: rows of all models, as :func:`confusion` returns them, with a column ``model``.
    """
    metrics: dict[str, float] = {}
    for model, rows in confusion.groupby("model", sort=False):
        right, n = right_of(rows)
        low, high = wilson_interval(right, n)
        metrics[f"{model}/accuracy"] = right / n
        metrics[f"{model}/accuracy_low"] = low
        metrics[f"{model}/accuracy_high"] = high
    return metrics
