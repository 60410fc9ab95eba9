"""The figure of pictures and their maps."""

from __future__ import annotations

import numpy as np

from conceptrast.figures.saliency import OVERLAY, draw_saliency, heatmap, overlay, product, saliency_note
from conceptrast.saliency.cards import PictureMaps


def test_a_map_of_zeros_leaves_the_picture_and_one_of_ones_covers_it() -> None:
    picture = np.full((2, 2, 3), 200, np.uint8)
    assert (overlay(picture, np.zeros((2, 2))) == picture).all()
    covered = overlay(picture, np.ones((2, 2)))
    assert (covered == ((1 - OVERLAY) * 200 + OVERLAY * heatmap(np.ones((2, 2)))).astype(np.uint8)).all()
    assert (product(picture, np.zeros((2, 2))) == 0).all()


def test_a_map_that_says_nothing_is_said_to() -> None:
    row = PictureMaps(np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.zeros((8, 8)), "two": np.ones((8, 8))})
    texts = [text.get_text() for text in draw_saliency([row], "title", "note").axes[0].texts]
    assert texts.count("nothing speaks for it") == 3


def test_a_figure_without_pictures_says_so_and_one_with_too_many_how_many_it_shows() -> None:
    texts = [text.get_text() for text in draw_saliency([], "title", "at layer4").axes[0].texts]
    assert texts == ["title", "at layer4; there is no picture to look at"]
    row = PictureMaps(np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.ones((8, 8))})
    relative = "each map is relative to its own maximum"
    first, _ = saliency_note("at layer4", [row] * 12).split("\n")
    assert first == f"at layer4; {relative}; the first 10 of 12 pictures"
    assert saliency_note("at layer4", [row]).split("\n")[0] == f"at layer4; {relative}"
    assert saliency_note("at layer4", []) == f"at layer4; {relative}"
    assert len(draw_saliency([row] * 12, "title", "note").axes[0].images) == 10 * 4 + 1


def test_the_note_explains_the_numbers_that_stand_below_the_pictures() -> None:
    says = "says: the likeliest class, and its probability"
    explanations = {
        ("grad cam",): says,
        ("why A,\ngrad cam",): f"{says}; A: its probability",
        ("why A,\ngrad cam", "why A and not B,\ngrad cam"): (
            f"{says}; A, B: the probability of A if A and B were the only classes"
        ),
    }
    for headings, explanation in explanations.items():
        row = PictureMaps(np.zeros((8, 8, 3), np.uint8), [], dict.fromkeys(headings, np.ones((8, 8))))
        assert saliency_note("at layer4", [row]).split("\n")[1] == explanation


def test_the_colour_bar_has_the_colours_of_the_maps_from_0_to_their_maximum() -> None:
    row = PictureMaps(np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.ones((8, 8))})
    [axes] = draw_saliency([row], "title", "note").axes
    bar = axes.images[0].get_array()
    assert bar[0, [0, -1]].tolist() == heatmap(np.array([[0.0, 1.0]]))[0].tolist()
    _, right, bottom, top = axes.images[0].get_extent()
    [label] = [text for text in axes.texts if text.get_text() == "maximum of the map"]
    assert label.get_position()[0] > right
    assert top < label.get_position()[1] < bottom


def test_the_figure_has_five_cells_for_two_maps_and_outlines_boxes() -> None:
    row = PictureMaps(
        np.zeros((8, 8, 3), np.uint8), ["says a"], {"one": np.ones((8, 8)), "two": np.ones((8, 8))}, [(0, 0, 2, 2)]
    )
    figure = draw_saliency([row, row], "title", "note")
    [axes] = figure.axes
    assert len(axes.images) == 2 * 5 + 1
    assert len(axes.patches) == 2 * 5
