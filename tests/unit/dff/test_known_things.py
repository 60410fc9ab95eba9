"""Where the heat of concepts lies, on heat that is drawn by hand, and on a network that names colours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.data.dataset import open_dataset
from conceptrast.dff.factorized_pictures import PictureCaptions, factorized_pictures
from conceptrast.dff.known_things import KnownThings, box_in_view
from conceptrast.dff.picture_groups import FactorizationOptions
from conceptrast.dff.table import dff_summary
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures


def halves(**classes: list[str]) -> KnownThings:
    """Views of 4×4: a cat on the left, a cup on the right."""
    return KnownThings([{"cat": (0, 0, 4, 2), "cup": (0, 2, 4, 4)}], (4, 4), classes)


@pytest.mark.parametrize(
    ("box", "size", "resize", "wanted"),
    [
        ((0, 0, 8, 4), (8, 8), None, (0, 0, 8, 4)),
        ((0, 0, 16, 8), (16, 16), 8, (0, 0, 8, 4)),  # half the size
        ((0, 8, 8, 8), (8, 16), 8, (0, 4, 8, 8)),  # the middle of a picture twice as wide: 4 pixels are cut off
        ((0, 0, 8, 2), (8, 16), 8, (0, 0, 8, 0)),  # cut off whole
    ],
)
def test_a_box_goes_where_resizing_and_cropping_put_it(box, size, resize, wanted):
    assert box_in_view(box, size, Preprocess(resize, 8, (0.5,) * 3, (0.25,) * 3)) == wanted


def test_a_concept_belongs_to_the_thing_that_has_most_of_its_heat():
    heat = np.zeros((1, 3, 4, 4))
    heat[0, 0, :, :2] = 1  # the cat alone
    heat[0, 1, :, 2:] = 3
    heat[0, 1, :, :2] = 1  # three parts of four in the cup; the third concept has no heat
    rows = halves(cat=["tabby", "lynx"], cup=["espresso"]).rows(heat, ["lynx", "tabby", "tabby"])
    assert rows["concept"].tolist() == [1, 2, 3]
    assert rows["thing"].tolist()[:2] == ["cat", "cup"]
    assert rows["thing_share"].tolist()[:2] == pytest.approx([1, 0.75])
    assert rows["thing_area"].tolist()[:2] == [0.5, 0.5]
    assert rows["own_class"].tolist()[:2] == [1, 0]
    assert rows["other_class"].tolist()[:2] == [0, 1]  # a tabby is no cup, but a cat
    assert rows.iloc[2].drop("concept").isna().all()


def test_things_that_were_not_shown_alone_have_no_class_and_pictures_without_things_no_rows_of_theirs():
    heat = np.ones((1, 1, 4, 4))
    row = halves().rows(heat, ["tabby"]).iloc[0]
    assert row["thing_share"] == 0.5
    assert np.isnan(row["own_class"])
    without_class = halves(cat=["tabby"], cup=["espresso"]).rows(heat, [float("nan")]).iloc[0]
    assert without_class[["own_class", "other_class"]].isna().all()
    nothing = KnownThings([{}], (4, 4), {}).rows(heat, ["tabby"])
    assert nothing["thing"].isna().all()


def test_two_things_in_one_picture_from_dataset_to_summary():
    """A cat and a coffee: two concepts of a layer of colours lie wherever they do, and the table says where."""
    dataset = open_dataset({"kind": "photograph_pairs", "pairs": [["cat", "coffee"]]})
    index = dataset.build_index()
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    model = Model("colours", network, Preprocess(32, 32, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
    pictures = Pictures(dataset, index.table, model)
    captions = PictureCaptions(["0"], ["cat and coffee"], "one")
    options = FactorizationOptions([1, 2], shared=False)
    concepts = factorized_pictures(pictures, np.array([0]), layer="0", captions=captions, options=options)
    things = KnownThings.of(pictures, np.array([0]), concepts.views, index.truth, precision="float32")
    assert things.boxes == [{"cat": (0, 0, 32, 16), "coffee": (0, 16, 32, 32)}]
    # The model alone on each half: three classes, so all of them are among the first five.
    assert {name: sorted(listed) for name, listed in things.classes.items()} == {
        "cat": ["blue", "green", "red"],
        "coffee": ["blue", "green", "red"],
    }
    table = concepts.table(things)
    assert len(table) == len(concepts.table())
    first = table[table["rank"] == 1]
    assert first["thing_share"].between(0.5, 1).all()
    assert table.loc[table["rank"] == 2, "thing"].isna().all()
    # By hand: the heat of the one concept, left and right of the middle.
    heat = torch.from_numpy(concepts.heatmaps[1]).sum(dim=(0, 1, 2))
    assert first[first["n_components"] == 1]["thing_share"].item() == pytest.approx(
        float(max(heat[:16].sum(), heat[16:].sum()) / heat.sum())
    )
    summary = dff_summary(table)
    wanted = first[first["n_components"] == 2]["thing_share"].mean()
    assert summary.set_index("n_components").loc[2, "thing_share"] == pytest.approx(wanted)
    assert summary["thing_area"].tolist() == [0.5, 0.5]
    assert "thing_share" not in dff_summary(concepts.table())


def test_things_of_several_pictures_count_together_and_small_ones_are_not_shown_alone():
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 4})
    index = dataset.build_index()
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    model = Model("colours", network, Preprocess(None, 96, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
    pictures = Pictures(dataset, index.table, model)
    images = index.table["image"].to_numpy()[:2]
    things = KnownThings.of(pictures, images, pictures.stacked(images), index.truth, precision="float32")
    assert things.classes == {}
    truth = index.truth[index.truth["image"] == images[1]]
    box = truth.iloc[0]
    assert things.boxes[1][box["concept"]] == (
        box["top"],
        box["left"],
        box["top"] + box["height"],
        box["left"] + box["width"],
    )
    # All heat in one box of the second picture.
    heat = np.zeros((2, 1, 96, 96))
    heat[1, 0, box["top"] : box["top"] + box["height"], box["left"] : box["left"] + box["width"]] = 1
    row = things.rows(heat, ["red"]).iloc[0]
    assert (row["thing"], row["thing_share"]) == (box["concept"], pytest.approx(1))
    assert pd.isna(row["own_class"])
