"""Two photographs side by side."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from conceptrast.base.errors import ConfigError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.decoding import open_rgb
from conceptrast.data.packaged import packaged_file
from conceptrast.data.photographs import FILES

KIND = "photograph_pairs"


def test_each_half_is_the_middle_of_its_photograph_and_the_truth_says_so():
    dataset = open_dataset({"kind": KIND, "pairs": [["cat", "coffee"], ["coffee", "rocket"]]})
    index = dataset.build_index()
    assert dataset.class_names == ["cat and coffee", "coffee and rocket"]
    assert index.table["label_name"].tolist() == dataset.class_names
    for row, pair in zip(index.table.itertuples(), dataset.pairs, strict=True):
        picture = np.asarray(dataset.picture(row))
        truth = index.truth[index.truth["image"] == row.image].set_index("concept")
        for name in pair:
            box = truth.loc[name]
            half = picture[box["top"] : box["top"] + box["height"], box["left"] : box["left"] + box["width"]]
            alone = ImageOps.fit(open_rgb(packaged_file(FILES[name])), (224, 448), Image.Resampling.BICUBIC)
            np.testing.assert_array_equal(half, np.asarray(alone))
    assert dataset.missing() is None


@pytest.mark.parametrize("pairs", [[], "cat", [["cat"]], [["cat", "cat"]], [["cat", "coffee", "rocket"]], [[1, 2]]])
def test_what_is_no_pair_is_refused(pairs):
    with pytest.raises(ConfigError, match="photograph_pairs: pairs"):
        open_dataset({"kind": KIND, "pairs": pairs})


def test_an_unknown_photograph_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown photograph 'cofee'; nearest: coffee"):
        open_dataset({"kind": KIND, "pairs": [["cat", "cofee"]]})


def test_the_fingerprint_is_that_of_the_pairs():
    one, same, other = (
        open_dataset({"kind": KIND, "pairs": pairs}).fingerprint()
        for pairs in ([["cat", "coffee"]], [["cat", "coffee"]], [["coffee", "cat"]])
    )
    assert one == same != other
