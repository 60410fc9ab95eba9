"""Superpixels: what is a segment, what is a twin, and what a segment alone looks like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.ace.superpixels import JACCARD, segment_views, superpixels
from conceptrast.base.errors import ConfigError


def noise(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)


def quarters() -> np.ndarray:
    """Four squares of one colour each."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:16, 16:] = (255, 0, 0)
    picture[16:, :16] = (0, 255, 0)
    picture[16:, 16:] = (0, 0, 255)
    return picture


def test_segments_follow_colours():
    masks = superpixels(quarters(), [4])
    truth = [np.indices((32, 32))[0] // 16 * 2 + np.indices((32, 32))[1] // 16 == number for number in range(4)]
    shared = [max((mask & square).sum() / (mask | square).sum() for square in truth) for mask in masks]
    assert len(masks) == 4
    assert min(shared) > 0.85


def test_segments_of_one_size_cover_the_picture_once():
    assert (superpixels(noise(0), [10]).sum(axis=0) == 1).all()


def test_no_two_segments_are_nearly_the_same():
    masks = superpixels(noise(1), [8, 12, 16])
    flat = masks.reshape(len(masks), -1)
    for first in range(len(flat)):
        for second in range(first):
            both = (flat[first] & flat[second]).sum() / (flat[first] | flat[second]).sum()
            assert both <= JACCARD


def test_a_second_size_adds_only_what_is_new():
    one = superpixels(noise(2), [8])
    assert np.array_equal(superpixels(noise(2), [8, 8]), one)
    more = superpixels(noise(2), [8, 40])
    assert np.array_equal(more[: len(one)], one)
    assert len(more) > len(one)


@pytest.mark.parametrize("picture", [np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 120, np.uint8)])
def test_a_picture_of_one_colour_has_no_superpixels(picture):
    assert superpixels(picture, [4, 9]).shape == (0, 32, 32)


def test_one_segment_is_none():
    assert superpixels(noise(3, side=8), [1]).shape == (0, 8, 8)


def test_a_segment_in_its_place_keeps_its_pixels_and_leaves_the_view_alone():
    view = torch.from_numpy(noise(4, side=6)).permute(2, 0, 1)
    before = view.clone()
    mask = np.zeros((1, 6, 6), bool)
    mask[0, 1:3, 2:5] = True
    mask[0, 2, 4] = False
    [alone] = segment_views(view, mask, (0.2, 0.4, 0.6), "in_place")
    inside = torch.from_numpy(mask[0])
    assert torch.equal(alone[:, inside], view[:, inside])
    assert alone[:, ~inside].unique(dim=1).flatten().tolist() == [51, 102, 153]
    assert torch.equal(view, before)


def test_a_resized_segment_fills_the_view():
    """A box of one colour, also where it lies at the last row and column, becomes a view of that colour."""
    view = torch.zeros(3, 8, 8, dtype=torch.uint8)
    view[:, 5:, 6:] = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None]
    mask = view[None, 0].numpy() > 0
    [alone] = segment_views(view, mask, (0.5,) * 3, "resized")
    assert alone.shape == (3, 8, 8)
    assert alone.flatten(1).unique(dim=1).flatten().tolist() == [10, 20, 30]


def test_a_resized_segment_has_the_colour_around_it():
    view = torch.full((3, 8, 8), 200, dtype=torch.uint8)
    mask = np.zeros((1, 8, 8), bool)
    mask[0, :2, 0] = mask[0, 0, :2] = True  # three of a box of four
    [alone] = segment_views(view, mask, (0.0,) * 3, "resized")
    assert alone[0, 0, 0] > 190
    assert alone[0, -1, -1] < 10


def test_an_unknown_shape_is_named():
    with pytest.raises(ConfigError, match="unknown shape of segments 'resize'; nearest: resized"):
        segment_views(torch.zeros(3, 2, 2, dtype=torch.uint8), np.ones((1, 2, 2), bool), (0.0,) * 3, "resize")
