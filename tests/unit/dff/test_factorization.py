"""Deep Feature Factorization: parts that were planted are found, and what cannot be factorized is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import conceptrast as cc
from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.concepts.nmf import NothingToFactorizeError
from conceptrast.dff.factorization import DeepFeatures
from conceptrast.dff.factorization import deep_feature_factorization as factorize

PARTS = np.array([[1, 2, 0, 0, 0, 0], [0, 0, 3, 1, 0, 0], [0, 0, 0, 0, 1, 1]], np.float32)
FLOOR = np.array([-1.0, 0.5, 0.0, -2.0, 3.0, 0.0], np.float32)
IMAGES = 4
HEIGHT = 3
WIDTH = 5


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activations ``[4, 6, 3, 5]`` of three parts with channels of their own over a floor, and where each part is.

    Every part is missing somewhere, so the floor is each channel's minimum, and every position of the first image has
    one part alone, so the factorization is unique.
    """
    draw = np.random.default_rng(seed)
    where = draw.uniform(0.2, 1.0, (IMAGES, 3, HEIGHT, WIDTH)).astype(np.float32)
    alone = draw.permutation(np.arange(HEIGHT * WIDTH) % 3).reshape(HEIGHT, WIDTH)
    where[0] *= alone == np.arange(3)[:, None, None]
    activations = np.einsum("nkyx,kc->ncyx", where, PARTS) + FLOOR[:, None, None]
    return activations.astype(np.float32), where


def matched(features: DeepFeatures) -> list[int]:
    """The concept of each planted part."""
    added = features.concepts - features.offset
    likeness = PARTS @ added.T / np.linalg.norm(PARTS, axis=1)[:, None] / np.linalg.norm(added, axis=1)
    assert (likeness.max(axis=1) > 0.999).all()
    order = likeness.argmax(axis=1).tolist()
    assert sorted(order) == [0, 1, 2]
    return order


def test_planted_parts_are_found_over_their_floor() -> None:
    activations, where = planted()
    features = factorize(activations, 3)
    assert features.reconstruction_error < 0.01
    np.testing.assert_array_equal(features.offset, FLOOR)
    for part, concept in enumerate(matched(features)):
        heat = features.heatmaps[:, concept].ravel()
        true = where[:, part].ravel()
        assert np.corrcoef(heat, true)[0, 1] > 0.999
    rebuilt = (
        np.einsum("nkyx,kc->ncyx", features.heatmaps, features.concepts - features.offset)
        + features.offset[:, None, None]
    )
    assert np.linalg.norm(rebuilt - activations) < 0.02 * np.linalg.norm(activations - FLOOR[:, None, None])
    assert features.heatmaps.min() >= 0
    assert (features.concepts.shape, features.heatmaps.shape) == ((3, 6), (4, 3, 3, 5))
    assert {array.dtype.name for array in features[:3]} == {"float32"}


def test_shares_are_those_of_the_planted_mass() -> None:
    activations, where = planted()
    features = factorize(activations, 3)
    mass = where.sum(axis=(0, 2, 3)) * PARTS.sum(axis=1)
    np.testing.assert_allclose(features.shares[matched(features)], mass / mass.sum(), atol=0.01)
    np.testing.assert_array_equal(features.highest, features.heatmaps.reshape(4, 3, -1).max(axis=2).max(axis=0))


def test_images_in_another_order_have_their_heatmaps_in_that_order() -> None:
    activations, _ = planted()
    order = [2, 0, 3, 1]
    plain = factorize(activations, 3)
    moved = factorize(activations[order], 3)
    one = plain.heatmaps[:, matched(plain)][order]
    other = moved.heatmaps[:, matched(moved)]
    scale = one.max(axis=(0, 2, 3)) / other.max(axis=(0, 2, 3))
    np.testing.assert_allclose(one, other * scale[:, None, None], atol=0.02 * one.max())


def test_a_constant_added_to_a_channel_moves_the_offset_and_nothing_else() -> None:
    activations, _ = planted()
    added = np.array([8, 0, -4, 0, 0, 16], np.float32)  # powers of two: exact
    plain = factorize(activations, 3)
    moved = factorize(activations + added[:, None, None], 3)
    np.testing.assert_allclose(moved.offset - plain.offset, added, atol=1e-6)
    np.testing.assert_allclose(moved.heatmaps, plain.heatmaps, atol=1e-4)
    np.testing.assert_allclose(moved.concepts - plain.concepts, np.tile(added, (3, 1)), atol=1e-4)


def test_the_start_is_the_seeds_and_nothing_is_changed() -> None:
    activations, _ = planted()
    before = activations.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state itself
    first, second, other = (
        factorize(given, 3, seed) for given, seed in ((activations, 4), (torch.tensor(before), 4), (before, 5))
    )
    np.testing.assert_array_equal(first.heatmaps, second.heatmaps)
    np.testing.assert_array_equal(first.concepts, second.concepts)
    assert not np.array_equal(first.heatmaps, other.heatmaps)
    np.testing.assert_array_equal(activations, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert cc.deep_feature_factorization is factorize


def test_more_passes_fit_better() -> None:
    activations = np.random.default_rng(0).gamma(0.5, size=(2, 20, 6, 6)).astype(np.float32)
    assert (
        factorize(activations, 6, max_iter=100).reconstruction_error
        < factorize(activations, 6, max_iter=2).reconstruction_error
    )


@pytest.mark.parametrize(
    ("shape", "k", "message"),
    [
        ((1, 8, 2, 3), 7, r"7 concepts are more than the number of positions, 6 \(2×3 of one image\)"),
        ((2, 20, 2, 2), 9, r"9 concepts are more than the number of positions, 8 \(2×2 of each of 2 images\)"),
        ((1, 4, 3, 3), 5, "5 concepts are more than the number of channels, 4"),
        ((1, 4, 3, 3), 0, "the number of concepts must be at least 1, got 0"),
    ],
)
def test_an_impossible_number_of_concepts_says_what_it_exceeds(shape, k, message) -> None:
    with pytest.raises(ConfigError, match=message):
        factorize(np.random.default_rng(0).random(shape, np.float32), k)


def test_as_many_concepts_as_positions_or_channels_are_possible() -> None:
    assert factorize(np.random.default_rng(0).random((1, 8, 2, 3), np.float32), 6).concepts.shape == (
        6,
        8,
    )
    assert factorize(np.random.default_rng(0).random((1, 4, 3, 3), np.float32), 4).concepts.shape == (
        4,
        4,
    )


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (np.zeros((2, 3, 2, 2)), "the activations are zero everywhere: there is nothing to factorize"),
        (np.full((2, 3, 2, 2), 1.5), "the activations are constant in every channel: there is nothing to factorize"),
        (np.zeros((0, 3, 2, 2)), r"activations \[0, 3, 2, 2\] are empty"),
    ],
)
def test_nothing_to_factorize_says_why(activations, message) -> None:
    with pytest.raises(NothingToFactorizeError, match=message):
        factorize(activations, 1)


@pytest.mark.parametrize("shape", [(2, 10), (2, 10, 4), (2, 10, 1, 1)])
def test_a_layer_without_spatial_extent_is_refused(shape) -> None:
    with pytest.raises(LayerError, match=r"have no spatial extent: choose a layer whose output is \[N, C, h, w\]"):
        factorize(np.ones(shape), 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value) -> None:
    activations = np.ones((1, 2, 2, 2))
    activations[0, 1, 1, 0] = value
    with pytest.raises(ConceptrastError, match="activations are not finite"):
        factorize(activations, 1)
