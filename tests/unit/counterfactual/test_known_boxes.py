"""Where what tells two classes apart lies, if the pictures are known."""

from __future__ import annotations

import pandas as pd
import pytest

from conceptrast.counterfactual.known_boxes import boxes_that_tell

NAMES = ["3+7", "3+8", "0+1", "3+7+8"]
INDEX = pd.DataFrame({"image": [5, 6, 7, 8], "label": [0, 0, 1, 2], "label_name": ["3+7", "3+7", "3+8", "0+1"]})
ROWS = [
    (5, "3", 2, 2, 20, 20),
    (5, "7", 40, 70, 20, 20),  # centre (50, 80): the cell from (32, 64)
    (6, "3", 35, 35, 20, 20),
    (6, "7", 60, 20, 20, 16),  # centre (70, 28): the cell from (64, 0), although the box begins above it
    (7, "3", 2, 2, 20, 20),
    (7, "8", 70, 2, 20, 20),
    (8, "0", 2, 2, 20, 20),
    (8, "1", 70, 2, 20, 20),
]
TRUTH = pd.DataFrame(ROWS, columns=["image", "concept", "top", "left", "height", "width"])


def test_the_box_is_the_cell_of_the_digit_that_the_second_class_lacks():
    boxes = boxes_that_tell(TRUTH, INDEX, (0, 1), NAMES, cell=32)
    assert boxes == {5: (32, 64, 64, 96), 6: (64, 0, 96, 32)}
    assert boxes_that_tell(TRUTH, INDEX, (1, 0), NAMES, cell=32) == {7: (64, 0, 96, 32)}


@pytest.mark.parametrize("pair", [(0, 2), (2, 0), (0, 3)])
def test_where_two_digits_tell_or_a_class_has_no_picture_there_is_no_box(pair: tuple[int, int]):
    assert boxes_that_tell(TRUTH, INDEX, pair, NAMES, cell=32) == {}


def test_without_truth_there_is_no_box():
    assert boxes_that_tell(None, INDEX, (0, 1), NAMES, cell=32) == {}
