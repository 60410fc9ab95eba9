"""Concepts keep their places, their heat is relative, their regions are their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConfigError
from conceptrast.dff.concept_maps import (
    by_likeness,
    concept_vectors,
    factorize_in_order,
    regions,
    relative_heat,
)
from conceptrast.dff.factorization import DeepFeatures
from conceptrast.dff.factorization import deep_feature_factorization as factorize


def likeness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosines of the heatmaps ``[N, k, h, w]`` of two factorizations."""
    old, new = (heatmaps.transpose(1, 0, 2, 3).reshape(heatmaps.shape[1], -1) for heatmaps in (one, other))
    return (old @ new.T) / np.linalg.norm(old, axis=1)[:, None] / np.linalg.norm(new, axis=1)


@pytest.fixture
def halves() -> np.ndarray:
    """Two images of four quarters; the upper two are nearly the same thing, and so are the lower two."""
    activations = np.zeros((2, 6, 4, 4), np.float32)
    for image, gain in enumerate((1.0, 0.7)):
        activations[image, 0, :2] = activations[image, 1, 2:] = 3 * gain
        activations[image, 2, :2, :2] = activations[image, 3, :2, 2:] = gain
        activations[image, 4, 2:, :2] = activations[image, 5, 2:, 2:] = 1.5 * gain
    return activations


def test_a_concept_that_stays_itself_keeps_its_place(halves: np.ndarray) -> None:
    features = factorize_in_order(halves, [4, 2])
    assert list(features) == [2, 4]
    few = features[2]
    many = features[4]
    assert few.shares[0] > few.shares[1]
    cosines = likeness(few.heatmaps, many.heatmaps)
    assert (cosines.argmax(axis=1) == [0, 1]).all()  # upper and lower half are where they were
    assert many.shares[2] >= many.shares[3]
    assert not np.array_equal(factorize(halves, 4).heatmaps, many.heatmaps), "the order of the solver is another one"


def test_only_the_order_is_another_than_that_of_the_factorization(halves: np.ndarray) -> None:
    plain = factorize(halves, 4, seed=3)
    ordered = factorize_in_order(halves, [2, 4], seed=3)[4]
    place = [int(np.abs(plain.concepts - concept).sum(axis=1).argmin()) for concept in ordered.concepts]
    assert sorted(place) == [0, 1, 2, 3]
    np.testing.assert_array_equal(plain.heatmaps[:, place], ordered.heatmaps)
    np.testing.assert_array_equal(plain.concepts[place], ordered.concepts)
    assert plain.reconstruction_error == ordered.reconstruction_error


def test_places_are_the_best_assignment_and_not_the_first_that_fits() -> None:
    """The first old concept is like both new ones, the second like one alone: both must be served."""

    def features(*maps: list[float]) -> DeepFeatures:
        return DeepFeatures(np.ones((len(maps), 2)), np.array(maps)[None, :, None], np.zeros(2), 0.0)

    old = features([1.0, 0.9], [1.0, 0.0])
    assert by_likeness(features([1.0, 0.1], [0.5, 1.0], [0.0, 3.0]), old) == [1, 0, 2]


def test_no_number_of_concepts_is_refused(halves: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="give at least one number of concepts"):
        factorize_in_order(halves, [])
    assert list(factorize_in_order(halves, [2, 2])) == [2]


def test_heat_is_relative_to_the_highest_of_all_images() -> None:
    heatmaps = np.zeros((2, 3, 2, 2), np.float32)
    heatmaps[0, 0] = 2.0
    heatmaps[1, 0] = 0.5
    heatmaps[0, 1] = 8.0
    heat = relative_heat(DeepFeatures(np.ones((3, 1)), heatmaps, np.zeros(1), 0.0), (6, 4))
    assert heat.shape == (2, 3, 6, 4)
    assert heat[:, :, 0, 0].tolist() == [[1.0, 1.0, 0.0], [0.25, 0.0, 0.0]]
    assert heat.dtype == torch.float32


def test_every_pixel_belongs_to_one_concept_at_most() -> None:
    heat = torch.rand(3, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    masks = regions(heat, 0.6)
    assert masks.sum(dim=1).max() == 1
    assert torch.equal(masks.any(dim=1), heat.max(dim=1).values >= 0.6)
    assert torch.equal(masks.int().argmax(dim=1)[masks.any(dim=1)], heat.argmax(dim=1)[masks.any(dim=1)])
    assert torch.equal(regions(torch.full((1, 2, 1, 1), 0.5), 0.5)[0, :, 0, 0], torch.tensor([True, False]))


def test_a_concept_at_its_strongest_does_not_depend_on_the_scale_of_the_factorization() -> None:
    features = factorize(np.random.default_rng(0).random((2, 5, 3, 3)) - 0.4, 2)
    scale = np.array([4.0, 0.25], np.float32)
    other = features._replace(
        concepts=features.offset + (features.concepts - features.offset) * scale[:, None],
        heatmaps=features.heatmaps / scale[:, None, None],
    )
    np.testing.assert_allclose(concept_vectors(features), concept_vectors(other), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(relative_heat(features, (6, 6)), relative_heat(other, (6, 6)))
    np.testing.assert_allclose(features.shares, other.shares, rtol=1e-5)
    np.testing.assert_allclose(concept_vectors(features, np.ones(2)), features.concepts, rtol=1e-5, atol=1e-6)
    assert not np.allclose(concept_vectors(other, np.ones(2)), features.concepts, rtol=0.1)
