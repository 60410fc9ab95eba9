"""The counterfactuals of a pair of classes."""

from __future__ import annotations

import numpy as np

from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals, example_image

from .toys import BLUE, subject_of_toy


def test_rows_of_a_pair_have_every_direction_stop_and_chance():
    layer, activations = subject_of_toy()
    subject = PairCounterfactuals(layer, np.array([7, 9]), activations + 1, (0, 2))
    rows = subject.rows({"hyperplane": [BLUE, BLUE]})
    assert len(rows) == 3 * 2 * 2 * 5  # kinds, stops, images, fractions
    assert set(rows["stop"]) == {"suffix", "picture"}
    ends = rows[(rows["fraction"] == 1) & (rows["stop"] == "suffix")].set_index(["direction", "image"])
    assert ends.loc[("hyperplane", 7), "predicted"] == 2
    assert ends["baseline"].to_dict()[("random_map", 7)] == "random"
    assert ends.loc[("hyperplane", 7), "baseline"] == "none"
    # A random map moves all channels alike in the mean: it reaches nothing, and goes to the limit.
    assert ends.loc[("random_map", 9), ["found", "lambda"]].tolist() == [False, 1.0]
    example = example_image(rows)
    [story] = subject.stories({"hyperplane": [BLUE, BLUE]}, example, np.zeros((8, 8, 3), np.uint8), frames=4)
    assert story.frames.shape == (4, 8, 8, 3)
    assert story.reached
    assert story.decoded[-1, 1] >= 0.5
