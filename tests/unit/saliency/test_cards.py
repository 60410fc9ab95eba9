"""The pictures of a view with their maps, as its figure shows them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image
from torch import nn

from conceptrast.data.loose_pictures import UNLABELLED, OpenPictures
from conceptrast.figures.saliency import draw_saliency
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.saliency.cards import picture_maps
from conceptrast.saliency.known_concepts import KnownConcepts


def pictures(count: int) -> Pictures:
    dataset = OpenPictures([Image.new("RGB", (8, 8), (20 * number, 0, 0)) for number in range(count)])
    model = Model("net", nn.Flatten(), Preprocess(None, 8, (0.5,) * 3, (0.5,) * 3), ["a", "b", "c"])
    return Pictures(dataset, dataset.build_index().table, model)


def subjects(rows: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["image", "kind", "toward", "versus"])
    names = dict(enumerate("abc")) | {-1: ""}
    return table.assign(
        toward_name=table["toward"].map(names),
        versus_name=table["versus"].map(names),
        label_name=UNLABELLED,
        path="photos/x.jpg",
        predicted_name="b",
        predicted_probability=0.25,
        probability=0.75,
    )


def test_a_class_and_its_difference_share_a_row_and_pairs_come_in_turn() -> None:
    table = subjects(
        [
            *[(image, "class", 0, -1) for image in (0, 1)],
            *[(image, "difference", 0, 1) for image in (0, 1)],
            *[(2, "class", 1, -1), (2, "difference", 1, 0)],
        ]
    )
    maps = {"grad_cam": np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 8, 8), np.float32)}
    sheet_rows = picture_maps(pictures(3), table, maps)
    assert [row.picture[0, 0, 0] for row in sheet_rows] == [0, 40, 20]
    assert [{name: values[0, 0] for name, values in row.maps.items()} for row in sheet_rows] == [
        {"why A,\ngrad cam": 0, "why A and not B,\ngrad cam": 2},
        {"why A,\ngrad cam": 4, "why A and not B,\ngrad cam": 5},
        {"why A,\ngrad cam": 1, "why A and not B,\ngrad cam": 3},
    ]
    assert sheet_rows[1].lines == ["says b, 0.25", "A = b, B = a: 0.75"]
    assert sheet_rows[0].boxes == ()


def test_two_pairs_of_one_class_show_its_map_in_both_rows() -> None:
    table = subjects([(0, "class", 0, -1), (0, "difference", 0, 1), (0, "difference", 0, 2)])
    maps = {"grad_cam": np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 8, 8), np.float32)}
    sheet_rows = picture_maps(pictures(1), table, maps)
    assert [[values[0, 0] for values in row.maps.values()] for row in sheet_rows] == [[0, 1], [0, 2]]
    draw_saliency(sheet_rows, "title", "note")


def test_what_tells_a_from_b_is_outlined() -> None:
    table = subjects([(0, "class", 0, -1), (0, "difference", 0, 1)])
    truth = pd.DataFrame(
        {"image": [0, 0, 1], "concept": ["x", "y", "x"], "top": [1, 5, 2], "left": [2, 5, 2], "height": 3, "width": 1}
    )
    maps = {"grad_cam": np.ones((2, 8, 8), np.float32)}
    [row] = picture_maps(pictures(1), table, maps, KnownConcepts(truth, {(0, 1): ("x", "y"), (1, 0): ("y", "x")}))
    assert row.boxes == [[1.0, 2.0, 3.0, 1.0]]


def test_pictures_without_label_go_by_their_file_and_methods_by_their_name() -> None:
    maps = {name: np.ones((1, 8, 8), np.float32) for name in ("grad_cam", "layer_cam")}
    [row] = picture_maps(pictures(1), subjects([(0, "predicted", 1, -1)]), maps)
    assert row.lines == ["says b, 0.25", "x.jpg"]
    assert list(row.maps) == ["grad cam", "layer cam"]
    blind = picture_maps(pictures(1), subjects([(0, "class", 1, -1)]), {"eigen_cam": maps["grad_cam"]})
    assert [(list(row.maps), row.lines[1]) for row in blind] == [(["eigen cam (no class)"], "A = b: 0.75")]
    [paired] = picture_maps(pictures(1), subjects([(0, "difference", 1, 0)]), maps)
    assert list(paired.maps) == ["why A and not B,\ngrad cam", "why A and not B,\nlayer cam"]


def test_no_more_than_two_images_of_a_pair_are_shown() -> None:
    table = subjects([(image, "difference", 0, 1) for image in range(3)] + [(3, "difference", 1, 0)])
    maps = {"grad_cam": np.ones((4, 8, 8), np.float32)}
    sheet_rows = picture_maps(pictures(4), table, maps, per_pair=2)
    assert [row.picture[0, 0, 0] // 20 for row in sheet_rows] == [0, 3, 1]
    assert len(picture_maps(pictures(4), table, maps)) == 4
