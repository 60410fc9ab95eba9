"""The tests of a view's maps: subjects, maps and rows stay together, and the truth is looked for where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from conceptrast.base.files import read_table, write_table
from conceptrast.data.loose_pictures import OpenPictures
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.saliency.known_concepts import KnownConcepts
from conceptrast.saliency.subject_maps import grid_of, subject_maps, target_probabilities, without_activations
from conceptrast.saliency.subjects import skip_subjects, usable
from conceptrast.saliency.view_tests import view_faithfulness, view_randomisation, view_truth, with_chance
from conceptrast.steps import saliency_tables
from conceptrast.steps.runner import call

SIDE = 16
CORNERS = ((0, 0), (0, 8), (8, 0), (8, 8))


class Colours(nn.Module):
    """The logit of a colour is how much of it there is; the layer has 4×4 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.relu, self.head = nn.AvgPool2d(4), nn.ReLU(), nn.Conv2d(3, 3, 1, bias=False)
        self.head.weight.data = 10 * torch.eye(3)[:, :, None, None]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.cells(images))).mean((2, 3))


def seen(batch_size: int = 2) -> Pictures:
    """Three pictures with a red and a green square at known places, and a black one."""
    shown = []
    for red, green in ((0, 1), (2, 3), (3, 0)):
        image = Image.new("RGB", (SIDE, SIDE))
        for colour, at in (("red", red), ("lime", green)):
            top, left = CORNERS[at]
            image.paste(colour, (left, top, left + 8, top + 8))
        shown.append(image)
    dataset = OpenPictures([*shown, Image.new("RGB", (SIDE, SIDE))])
    model = Model("colours", Colours(), Preprocess(SIDE, SIDE, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
    return Pictures(dataset, dataset.build_index().table, model, batch_size)


def subjects(rows: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "kind", "toward", "versus"]).assign(status="ok", reason="")


PAIRED = subjects([(2, "class", 0, -1), (0, "class", 0, -1), (2, "difference", 0, 1), (0, "difference", 0, 1)])


def split_of(pictures: Pictures) -> SplitModel:
    return SplitModel(pictures.model, "relu")


def corner_of(values: np.ndarray) -> int:
    """The quarter of a map that has its mass."""
    return int(np.argmax([values[top : top + 8, left : left + 8].sum() for top, left in CORNERS]))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_maps_come_in_the_order_of_subjects_whatever_the_batches(batch_size: int) -> None:
    pictures = seen(batch_size)
    looked = subjects([(1, "class", 0, -1), (0, "class", 1, -1), (2, "class", 0, -1), (0, "difference", 0, 1)])
    maps = subject_maps(pictures, split_of(pictures), looked, ["grad_cam"])["grad_cam"]
    assert [corner_of(each) for each in maps] == [2, 1, 3, 0]
    assert grid_of(pictures, "relu") == (4, 4)


def test_without_subjects_there_are_no_maps_and_no_rows_but_their_columns() -> None:
    pictures, none = seen(), PAIRED.head(0)
    maps = subject_maps(pictures, split_of(pictures), none, ["grad_cam"])
    assert maps["grad_cam"].shape == (0, SIDE, SIDE)
    everything = with_chance(maps, (4, 4), 0)
    assert [each.maps.shape for each in everything] == [(0, SIDE, SIDE)] * 3
    assert view_faithfulness(pictures, none, everything, [50], 0).empty
    assert "score" in view_faithfulness(pictures, none, everything, [50], 0)
    assert "rank_correlation" in view_randomisation(pictures, "relu", none, ["grad_cam"], 0)
    assert "own_mass" in view_truth(pictures, "relu", none, everything, None)


def test_a_picture_without_activations_is_set_aside_with_the_reason() -> None:
    pictures, looked = seen(), subjects([(3, "predicted", 0, -1), (0, "predicted", 0, -1)])
    empty = without_activations(pictures, split_of(pictures), looked)
    assert empty.tolist() == [True, False]
    aside = skip_subjects(looked, empty, "relu")
    assert aside["status"].tolist() == ["skipped", "ok"]
    assert aside["reason"][0] == "relu gives activations that are zero throughout for image 3"
    assert usable(aside)["image"].tolist() == [0]
    assert without_activations(pictures, split_of(pictures), looked.head(0)).shape == (0,)


def test_probabilities_are_of_what_each_map_speaks_for() -> None:
    logits = torch.tensor([2.5, 2.5, 0.0])
    found = target_probabilities(seen(), PAIRED)
    assert np.allclose(found, [float(logits.softmax(0)[0])] * 2 + [0.5] * 2)


def test_the_truth_is_that_of_each_image_and_a_difference_leaves_the_shared_colour() -> None:
    pictures = seen()
    maps = subject_maps(pictures, split_of(pictures), PAIRED, ["grad_cam"])
    everything = with_chance(maps, (4, 4), 0)
    boxes = [(image, name, *CORNERS[at]) for image, red, green in ((0, 0, 1), (2, 3, 0)) for name, at in
             (("red", red), ("green", green))]  # fmt: skip
    truth = pd.DataFrame(boxes, columns=["image", "concept", "top", "left"]).assign(height=8, width=8)
    rows = view_truth(pictures, "relu", PAIRED, everything, KnownConcepts(truth, {(0, 1): ("red", "green")}))
    own = rows[rows["method"] == "grad_cam"]
    assert own["target_kind"].value_counts().to_dict() == {"class": 2, "difference": 2}
    assert own["hit"].all()
    assert (own["own_mass"] > 0.8).all()
    assert set(rows["baseline"]) == {"none", "random", "centre"}
    assert (rows["versus"] == 1).all()
    # Each box is enlarged by half a position, two pixels: the blob in the middle lies in all of them alike.
    blob = rows[rows["baseline"] == "centre"]
    assert np.allclose(blob["own_mass"], blob["shared_mass"])
    with_margin = everything[2].maps[0][:10, :10].sum() / everything[2].maps[0].sum()
    assert np.allclose(blob["own_mass"], with_margin)
    assert view_truth(pictures, "relu", PAIRED, everything, KnownConcepts(truth, {(1, 0): ("green", "red")})).empty


def test_curves_belong_to_their_subjects_and_do_not_depend_on_batches() -> None:
    found = []
    for batch_size in (1, 4):
        pictures = seen(batch_size)
        maps = subject_maps(pictures, split_of(pictures), PAIRED, ["grad_cam"])
        found.append(view_faithfulness(pictures, PAIRED, with_chance(maps, (4, 4), 0), [50], 0))
    keys = ["image", "target_kind", "method", "baseline", "metric", "share"]
    one, other = (rows.sort_values(keys, ignore_index=True) for rows in found)
    pd.testing.assert_frame_equal(one, other)
    start = one[(one["metric"] == "deletion") & (one["share"] == 0.0)]
    assert np.allclose(start.loc[start["target_kind"] == "difference", "score"], 0.5)
    assert (start.loc[start["target_kind"] == "class", "score"] < 0.5).all()
    gone = one[(one["metric"] == "deletion") & (one["share"] == 0.5) & (one["target_kind"] == "difference")]
    # Without the red square, which the map points at, the picture is green.
    assert (gone.loc[gone["method"] == "grad_cam", "score"] < 0.2).all()


def test_differences_take_no_part_in_the_randomisation_and_untraceable_networks_are_skipped() -> None:
    rows = view_randomisation(seen(), "relu", PAIRED, ["grad_cam", "eigen_cam"], 0)
    assert set(rows["target_kind"]) == {"class"}
    assert rows.groupby("method")["image"].nunique().to_dict() == {"eigen_cam": 2, "grad_cam": 2}
    assert (rows["status"] == "ok").all()

    class Untraceable(Colours):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) if images.sum() > -1 else images

    pictures = seen()
    pictures.model.module = Untraceable().eval()
    skipped = view_randomisation(pictures, "relu", PAIRED, ["grad_cam"], 0)
    assert skipped["status"].tolist() == ["skipped"]
    assert "cannot be traced" in skipped["reason"][0]


def test_tables_list_what_could_not_be_looked_at(tmp_path: Path) -> None:
    pictures = seen()
    maps = subject_maps(pictures, split_of(pictures), PAIRED, ["grad_cam"])
    everything = with_chance(maps, (4, 4), 0)
    nobody = PAIRED.head(1).assign(kind="difference", status="skipped", reason="no picture is predicted as blue")
    none = everything[0]._replace(maps=everything[0].maps[:0])
    files = {
        "subjects": [pd.concat([PAIRED, nobody]), nobody],
        "faithfulness": [
            view_faithfulness(pictures, PAIRED, everything, [50], 0),
            view_faithfulness(pictures, PAIRED.head(0), [none], [50], 0),
        ],
        "randomisation": [
            view_randomisation(pictures, "relu", PAIRED, ["grad_cam"], 0),
            pd.DataFrame({"method": ["grad_cam"], "status": "skipped", "reason": "cannot be traced"}),
        ],
        "recovery": [view_truth(pictures, "relu", PAIRED, everything, None)],
    }
    paths = {}
    for name, tables in files.items():
        paths[name] = [tmp_path / f"{name}{number}.csv" for number in range(len(tables))]
        for table, path in zip(tables, paths[name], strict=True):
            write_table(table, path)
    names = ["saliency_faithfulness", "saliency_randomisation", "saliency_truth"]
    out = [tmp_path / f"{name}.csv" for name in names]
    call(saliency_tables.main, {"views": ["a", "b"], "views_with_truth": ["a"], "seed": 0}, **paths, tables=out)
    faithful, random, truth = (read_table(path) for path in out)
    assert faithful.loc[faithful["status"] == "ok", "view"].unique().tolist() == ["a"]
    assert faithful.loc[faithful["status"] == "skipped", ["view", "target_kind", "reason"]].to_numpy().tolist() == [
        [view, "difference", "no picture is predicted as blue"] for view in ("a", "b")
    ]
    ok = faithful[faithful["status"] == "ok"].drop(columns="reason")
    assert not ok.isna().to_numpy().any()
    assert random.loc[random["status"] == "skipped", ["view", "reason"]].to_numpy().tolist() == [
        ["b", "cannot be traced"]
    ]
    assert truth[["view", "status"]].to_numpy().tolist() == [["a", "skipped"]]
    paths["subjects"][0].write_text(paths["subjects"][1].read_text().replace("skipped", "ok"))
    call(saliency_tables.main, {"views": ["a", "b"], "views_with_truth": ["a"], "seed": 0}, **paths, tables=out)
    assert read_table(out[2])["reason"].tolist() == [
        "no picture that is looked at holds both what A has and B has not and what both have"
    ]
