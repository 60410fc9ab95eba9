"""The counterfactuals of a pair of classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from conceptrast.counterfactual.edits import random_twin
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals, example_image, recognised_images
from conceptrast.counterfactual.pair_edits import PairEdits

from .toys import blue, colours, subject_of_toy


def subject_and_edits() -> tuple[PairCounterfactuals, PairEdits]:
    layer, activations = subject_of_toy(judge=colours())
    start = activations[:1].repeat(2, 1, 1, 1) + 1
    boxes = {7: (0, 0, 4, 8)}
    subject = PairCounterfactuals(layer, np.array([7, 9]), start, (0, 2), boxes=boxes)
    edits = blue(start)
    pair_edits = PairEdits()
    pair_edits.add(edits, [random_twin(edit, 0, image, "map") for edit, image in zip(edits, (7, 9), strict=True)])
    return subject, pair_edits


def test_rows_of_a_pair_have_every_edit_stop_and_chance():
    subject, edits = subject_and_edits()
    rows = subject.rows(edits)
    assert len(rows) == 2 * 2 * (3 + 2)  # stops, images, fractions of an edit and of its twin
    assert set(rows["stop"]) == {"suffix", "picture"}
    assert set(rows["edit"]) == {"uniform"}
    ends = rows[(rows["fraction"] == 1) & (rows["stop"] == "suffix")].set_index(["baseline", "image"])
    assert ends.loc[("none", 7), ["predicted", "predicted_decoded", "predicted_judge"]].tolist() == [2, 2, 2]
    assert ends.loc[("none", 7), "origin"] == "towards"
    assert ends.loc[("random", 7), "origin"] == "random"
    # A random map moves all channels alike in the mean: it reaches nothing, in the same part of its way.
    assert not ends.loc[("random", 9), "found"]
    assert ends.loc[("random", 9), "done"] == ends.loc[("none", 9), "done"]


def test_a_plain_change_lies_in_a_box_as_its_area_does():
    subject, edits = subject_and_edits()
    rows = subject.rows(edits).query("fraction == 1 and baseline == 'none'").set_index(["stop", "image"])
    assert rows.loc[("picture", 7), ["inside", "area"]].tolist() == [0.5, 0.5]
    assert rows.loc[("picture", 9), ["inside", "area"]].isna().all()


def test_the_story_of_a_picture_ends_where_the_model_names_it():
    subject, edits = subject_and_edits()
    example = example_image(subject.rows(edits))
    [story] = subject.stories(edits, example, np.zeros((8, 8, 3), np.uint8), frames=4)
    assert story.frames.shape == (4, 8, 8, 3)
    assert story.cells.tolist() == [0, 16, 16, 16]
    assert story.reached
    assert story.decoded[-1, 1] >= 0.5
    assert subject.stories(PairEdits(), example, np.zeros((8, 8, 3), np.uint8), frames=4) == []


def test_pictures_that_are_not_recognised_have_no_story():
    rows = pd.DataFrame(
        {
            "image": [4, 4, 5, 5],
            "edit": "swap",
            "fraction": [0.0, 1.0, 0.0, 1.0],
            "predicted": [1, 2, 1, 2],
            "predicted_decoded": [1, 2, 0, 1],
        }
    )
    assert recognised_images(rows).tolist() == [4]
