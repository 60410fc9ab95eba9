"""The rows of a view's figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch import nn

from conceptrast.data.loose_pictures import UNLABELLED, OpenPictures
from conceptrast.figures.saliency import OVERLAY, Looked, draw_saliency, draw_saliency_tests, heatmap, overlay, product
from conceptrast.figures.saliency_view import note_of, rows_of_view
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.saliency.known_concepts import Known


def pictures(count: int) -> Pictures:
    dataset = OpenPictures([Image.new("RGB", (8, 8), (20 * each, 0, 0)) for each in range(count)])
    model = Model("net", nn.Flatten(), Preprocess(None, 8, (0.5,) * 3, (0.5,) * 3), ["a", "b", "c"])
    return Pictures(dataset, dataset.build_index().table, model)


def subjects(rows: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["image", "kind", "toward", "versus"])
    names = dict(enumerate("abc")) | {-1: ""}
    return table.assign(
        toward_name=table["toward"].map(names), versus_name=table["versus"].map(names), label_name=UNLABELLED,
        path="photos/x.jpg", predicted_name="b", predicted_probability=0.25,
        probability=0.75,
    )  # fmt: skip


def test_a_class_and_its_difference_share_a_row_and_pairs_come_in_turn() -> None:
    table = subjects(
        [
            *[(image, "class", 0, -1) for image in (0, 1)],
            *[(image, "difference", 0, 1) for image in (0, 1)],
            *[(2, "class", 1, -1), (2, "difference", 1, 0)],
        ]
    )
    maps = {"grad_cam": np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 8, 8), np.float32)}
    found = rows_of_view(pictures(3), table, maps)
    assert [row.picture[0, 0, 0] for row in found] == [0, 40, 20]
    assert [{name: values[0, 0] for name, values in row.maps.items()} for row in found] == [
        {"why A,\ngrad cam": 0, "why A and not B,\ngrad cam": 2},
        {"why A,\ngrad cam": 4, "why A and not B,\ngrad cam": 5},
        {"why A,\ngrad cam": 1, "why A and not B,\ngrad cam": 3},
    ]
    assert found[1].lines == ["says b, 0.25", "A = b, B = a: 0.75"]
    assert found[0].boxes == ()


def test_two_pairs_of_one_class_show_its_map_in_both_rows() -> None:
    table = subjects([(0, "class", 0, -1), (0, "difference", 0, 1), (0, "difference", 0, 2)])
    maps = {"grad_cam": np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 8, 8), np.float32)}
    found = rows_of_view(pictures(1), table, maps)
    assert [[values[0, 0] for values in row.maps.values()] for row in found] == [[0, 1], [0, 2]]
    draw_saliency(found, "title", "note")


def test_what_tells_a_from_b_is_outlined() -> None:
    table = subjects([(0, "class", 0, -1), (0, "difference", 0, 1)])
    truth = pd.DataFrame(
        {"image": [0, 0, 1], "concept": ["x", "y", "x"], "top": [1, 5, 2], "left": [2, 5, 2], "height": 3, "width": 1}
    )
    maps = {"grad_cam": np.ones((2, 8, 8), np.float32)}
    [row] = rows_of_view(pictures(1), table, maps, Known(truth, {(0, 1): ("x", "y"), (1, 0): ("y", "x")}))
    assert row.boxes == [[1.0, 2.0, 3.0, 1.0]]


def test_pictures_without_label_go_by_their_file_and_methods_by_their_name() -> None:
    maps = {name: np.ones((1, 8, 8), np.float32) for name in ("grad_cam", "layer_cam")}
    [row] = rows_of_view(pictures(1), subjects([(0, "predicted", 1, -1)]), maps)
    assert row.lines == ["says b, 0.25", "x.jpg"]
    assert list(row.maps) == ["grad cam", "layer cam"]
    blind = rows_of_view(pictures(1), subjects([(0, "class", 1, -1)]), {"eigen_cam": maps["grad_cam"]})
    assert [(list(row.maps), row.lines[1]) for row in blind] == [(["eigen cam (no class)"], "A = b: 0.75")]
    [paired] = rows_of_view(pictures(1), subjects([(0, "difference", 1, 0)]), maps)
    assert list(paired.maps) == ["why A and not B,\ngrad cam", "why A and not B,\nlayer cam"]


def test_a_map_of_zeros_leaves_the_picture_and_one_of_ones_covers_it() -> None:
    picture = np.full((2, 2, 3), 200, np.uint8)
    assert (overlay(picture, np.zeros((2, 2))) == picture).all()
    covered = overlay(picture, np.ones((2, 2)))
    assert (covered == ((1 - OVERLAY) * 200 + OVERLAY * heatmap(np.ones((2, 2)))).astype(np.uint8)).all()
    assert (product(picture, np.zeros((2, 2))) == 0).all()


def test_a_map_that_says_nothing_is_said_to() -> None:
    row = Looked(np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.zeros((8, 8)), "two": np.ones((8, 8))})
    texts = [text.get_text() for text in draw_saliency([row], "title", "note").axes[0].texts]
    assert texts.count("nothing speaks for it") == 3


def test_no_more_than_two_images_of_a_pair_are_shown() -> None:
    table = subjects([(image, "difference", 0, 1) for image in range(3)] + [(3, "difference", 1, 0)])
    maps = {"grad_cam": np.ones((4, 8, 8), np.float32)}
    found = rows_of_view(pictures(4), table, maps, per_pair=2)
    assert [row.picture[0, 0, 0] // 20 for row in found] == [0, 3, 1]
    assert len(rows_of_view(pictures(4), table, maps)) == 4


def test_a_figure_without_pictures_says_so_and_one_with_too_many_how_many_it_shows() -> None:
    texts = [text.get_text() for text in draw_saliency([], "title", "at layer4").axes[0].texts]
    assert texts == ["title", "at layer4; there is no picture to look at"]
    row = Looked(np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.ones((8, 8))})
    relative = "each map is relative to its own maximum"
    assert note_of("at layer4", [row] * 12, None) == f"at layer4; {relative}; the first 10 of 12 pictures"
    assert note_of("at layer4", [row], None) == f"at layer4; {relative}"
    assert len(draw_saliency([row] * 12, "title", "note").axes[0].images) == 10 * 4


def test_the_figure_has_five_cells_for_two_maps_and_outlines_boxes() -> None:
    row = Looked(
        np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.ones((8, 8)), "two": np.ones((8, 8))}, [(0, 0, 2, 2)]
    )
    figure = draw_saliency([row, row], "title", "note")
    [axes] = figure.axes
    assert len(axes.images) == 2 * 5
    assert len(axes.patches) == 2 * 5


@pytest.mark.parametrize("stages", [2, 3])
def test_curves_show_means_over_pictures_and_chance(stages: int) -> None:
    shares = [0.0, 0.5, 1.0]
    faithful = pd.DataFrame(
        [
            (method, baseline, metric, share, score)
            for method, baseline in (("grad_cam", "none"), ("none", "random"), ("none", "centre"))
            for metric in ("deletion", "insertion", "road_most", "road_least")
            for share in shares
            for score in ((0.2, 0.6) if baseline == "none" else (0.1, 0.1))
        ],
        columns=["method", "baseline", "metric", "share", "score"],
    ).assign(target_kind="predicted")
    others = faithful.assign(target_kind="class", score=0.9)
    random = pd.DataFrame(
        {
            "method": "grad_cam", "stage": range(1, stages + 1), "reaches": [f"part{each}" for each in range(stages)],
            "above_layer": [True] + [False] * (stages - 1), "rank_correlation": 0.5,
        }
    )  # fmt: skip
    panels = draw_saliency_tests(faithful, random, "title", "note").axes[1:]
    assert len(panels) == 4
    of_pairs = pd.concat([faithful.assign(target_kind="difference"), others])
    paired = draw_saliency_tests(of_pairs, random, "title", "note").axes[1]
    assert np.allclose(paired.lines[0].get_ydata(), 0.4)
    for axes in panels[:2]:
        assert [line.get_label() for line in axes.lines] == ["grad_cam", "random", "centre"]
        assert np.allclose(axes.lines[0].get_ydata(), 0.4)
    assert np.allclose(panels[2].lines[0].get_ydata(), 0.0)
    assert np.allclose(panels[3].lines[0].get_ydata(), [1.0] + [0.5] * stages)
    assert [label.get_text() for label in panels[3].get_xticklabels()] == ["trained", *random["reaches"]]
