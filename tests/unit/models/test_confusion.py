"""What is taken for what: counts and shares by hand, the headlines."""

from __future__ import annotations

import numpy as np
import pandas as pd

from conceptrast.base.statistics import wilson_interval
from conceptrast.models.confusion import COLUMNS, confusion, right_of

from ..headlines import headline_metrics_of
from .four_animals import NAMES, PREDICTIONS


def test_counts_and_shares_by_hand():
    table = confusion(PREDICTIONS, NAMES, NAMES)
    assert list(table) == list(COLUMNS)
    assert table.to_numpy().tolist() == [
        [0, "ant", 0, "ant", 3, 0.75],
        [0, "ant", 1, "bee", 1, 0.25],
        [1, "bee", 1, "bee", 1, 0.5],
        [1, "bee", 2, "cat", 1, 0.5],
        [3, "dog", 0, "ant", 2, 0.5],
        [3, "dog", 3, "dog", 2, 0.5],
    ]
    assert right_of(table) == (6, 10)


def test_counts_are_those_of_a_histogram_and_shares_of_a_label_add_up():
    draw = np.random.default_rng(0)
    predictions = pd.DataFrame({"label": draw.integers(0, 7, 500), "predicted": draw.integers(0, 9, 500)})
    names = [str(number) for number in range(9)]
    table = confusion(predictions.sample(frac=1, random_state=1), names[:7], names)
    counts = np.zeros((7, 9), int)
    np.add.at(counts, (predictions["label"], predictions["predicted"]), 1)
    again = np.zeros_like(counts)
    again[table["label"], table["predicted"]] = table["n"]
    assert np.array_equal(again, counts)
    assert (table["n"] > 0).all()
    np.testing.assert_allclose(table.groupby("label")["share"].sum(), 1)
    assert right_of(table)[0] == int((predictions["label"] == predictions["predicted"]).sum())


def test_outputs_have_names_of_their_own():
    table = confusion(PREDICTIONS, NAMES, ["Formica", "Apis", "Felis", "Canis"])
    assert table["label_name"].iloc[1] == "ant"
    assert table["predicted_name"].iloc[1] == "Apis"


def test_accuracy_and_its_interval_are_headlines():
    table = confusion(PREDICTIONS, NAMES, NAMES)
    table.insert(0, "model", "net")
    low, high = wilson_interval(6, 10)
    expected = {"net/accuracy": 0.6, "net/accuracy_low": low, "net/accuracy_high": high}
    assert headline_metrics_of({"confusion": table}) == expected
    both = headline_metrics_of({"confusion": pd.concat([table, table.assign(model="other")])})
    assert both == expected | {key.replace("net", "other"): value for key, value in expected.items()}
