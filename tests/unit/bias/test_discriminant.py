"""The most discriminant direction: known answers, unequal classes, missing rank; steps and nearest pictures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NearestCentroid

from conceptrast.base.errors import ConceptrastError, ShapeError
from conceptrast.bias.discriminant import discriminant_direction, mean_difference


def drawn(n_first: int, n_second: int, n_places: int = 6, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [n_first, n_second])
    codes = rng.normal(size=(len(labels), n_places)) @ rng.normal(size=(n_places, n_places))
    codes[labels == 1] += rng.normal(size=n_places)
    return codes, labels


def test_it_is_the_weighted_regression_of_scikit_learn():
    codes, labels = drawn(30, 90)
    weights = 1 / np.bincount(labels)[labels]
    reference = LinearRegression().fit(codes, labels, sample_weight=weights).coef_
    direction = discriminant_direction(codes, labels)
    np.testing.assert_allclose(direction.unit, reference / np.linalg.norm(reference), atol=1e-9)
    unweighted = LinearRegression().fit(codes, labels).coef_
    assert np.abs(direction.unit - unweighted / np.linalg.norm(unweighted)).max() > 1e-6


def test_it_points_to_class_2_and_zero_is_between_the_classes_whatever_their_numbers():
    codes = np.array([[1.0, 0.0], [1.0, 2.0], [5.0, 0.0], [5.0, 2.0]] + [[5.0, 1.0]] * 20)
    labels = np.array([0, 0] + [1] * 22)
    direction = discriminant_direction(codes, labels)
    np.testing.assert_allclose(direction.unit, [1, 0], atol=1e-9)
    np.testing.assert_allclose(direction.positions([[1.0, 7.0], [3.0, 0.0], [5.0, 0.0]]), [-2, 0, 2], atol=1e-9)
    other = discriminant_direction(codes, 1 - labels)
    np.testing.assert_allclose(other.unit, -direction.unit, atol=1e-9)


def test_repeating_a_class_changes_nothing():
    codes, labels = drawn(20, 20)
    once = discriminant_direction(codes, labels)
    again = discriminant_direction(np.vstack([codes, codes[labels == 1]]), np.append(labels, labels[labels == 1]))
    np.testing.assert_allclose(again.unit, once.unit, atol=1e-9)
    np.testing.assert_allclose(again.middle, once.middle, atol=1e-9)


def test_dead_and_doubled_places_have_no_part_beyond_their_own():
    codes, labels = drawn(40, 40)
    plain = discriminant_direction(codes, labels)
    dead = discriminant_direction(np.hstack([codes, np.full((80, 3), 7.0)]), labels)
    np.testing.assert_allclose(dead.unit[6:], 0, atol=1e-9)
    np.testing.assert_allclose(dead.unit[:6], plain.unit, atol=1e-8)
    doubled = discriminant_direction(np.hstack([codes, codes[:, :1]]), labels)
    assert doubled.unit[0] == pytest.approx(doubled.unit[6])  # the shortest of all equal solutions


def test_with_fewer_pictures_than_places_both_classes_still_come_apart():
    codes, labels = drawn(5, 5, n_places=50)
    positions = discriminant_direction(codes, labels).positions(codes)
    assert positions[labels == 0].max() < 0 < positions[labels == 1].min()


def test_codes_on_the_line_lie_where_they_were_asked_for():
    direction = discriminant_direction(*drawn(20, 20))
    np.testing.assert_allclose(direction.positions(direction.codes([-3.0, 0.0, 2.0])), [-3, 0, 2], atol=1e-9)


def test_typical_codes_are_the_regression_of_codes_on_position():
    codes, labels = drawn(25, 60)
    direction = discriminant_direction(codes, labels)
    np.testing.assert_allclose(direction.positions(direction.typical_codes([-1.0, 4.0])), [-1, 4], atol=1e-9)
    weights = 1 / np.bincount(labels)[labels]
    reference = LinearRegression().fit(direction.positions(codes)[:, None], codes, sample_weight=weights)
    np.testing.assert_allclose(direction.typical_codes([0.5]), reference.predict([[0.5]]), atol=1e-9)


def test_codes_that_tell_nothing_apart_all_lie_at_zero():
    direction = discriminant_direction(np.ones((4, 2)), np.array([0, 0, 1, 1]))
    assert direction.positions([[3.0, 4.0], [1.0, 1.0]]).tolist() == [0, 0]
    assert direction.typical_codes([1.0]).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("codes", "labels", "error", "message"),
    [
        (np.ones((4, 2)), np.zeros(4, int), ConceptrastError, r"got \[4, 0\] of each"),
        (np.ones((4, 2)), np.array([0, 1]), ShapeError, r"codes \(4, 2\) need as many labels"),
        (np.array([[np.nan], [1.0]]), np.array([0, 1]), ConceptrastError, "not finite"),
    ],
)
def test_codes_without_a_direction_are_refused(codes, labels, error, message):
    with pytest.raises(error, match=message):
        discriminant_direction(codes, labels)


@pytest.mark.parametrize("fit", [discriminant_direction, mean_difference])
def test_the_reach_is_the_position_of_the_second_mean_and_the_first_lies_opposite(fit):
    codes, labels = drawn(30, 90)
    direction = fit(codes, labels)
    positions = direction.positions(np.stack([codes[labels == label].mean(axis=0) for label in (0, 1)]))
    np.testing.assert_allclose(positions, [-direction.reach, direction.reach])
    assert np.linalg.norm(direction.unit) == pytest.approx(1)
    np.testing.assert_allclose(direction.positions(direction.typical_codes(np.array([0.5]))), [0.5])


def test_the_difference_of_means_is_the_centroids_of_scikit_learn():
    codes, labels = drawn(30, 90)
    first, second = NearestCentroid().fit(codes, labels).centroids_
    direction = mean_difference(codes, labels)
    np.testing.assert_allclose(direction.unit, (second - first) / np.linalg.norm(second - first))
    assert direction.reach == pytest.approx(np.linalg.norm(second - first) / 2)


def test_classes_with_the_same_mean_have_no_difference():
    direction = mean_difference(np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]]), np.array([0, 0, 1]))
    assert (direction.unit.tolist(), direction.reach) == ([0, 0], 0)
    with pytest.raises(ConceptrastError, match="codes of both"):
        mean_difference(np.ones((2, 3)), np.array([0, 0]))
