"""Hyperplanes: one step by hand, the sign of the other order, many pairs at once, and what no plane separates."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConceptrastError, ConfigError, ShapeError
from conceptrast.contrast import hyperplane_descent
from conceptrast.contrast.hyperplane_descent import descend, descent_step, sides_of
from conceptrast.contrast.hyperplane_fit import accuracies, fit_pairs, regress
from conceptrast.contrast.hyperplane_solvers import Solver, solvers_from_settings
from conceptrast.contrast.hyperplane_span import has_few_features
from conceptrast.contrast.hyperplanes import NO_PLANE, Hyperplane, random_hyperplane

ZERO = Solver("zero")
RANDOM = Solver("random", init="random")
LOGISTIC = Solver("logistic", solver="logistic")
CHANNELS = 12


@pytest.fixture
def features() -> dict[int, np.ndarray]:
    """Five classes of different size, each around a mean of its own."""
    generator = np.random.default_rng(3)
    sizes = {2: 30, 5: 18, 6: 41, 9: 25, 10: 7}
    return {
        target: (generator.random((n, CHANNELS)) + 2 * generator.random(CHANNELS)).astype(np.float32)
        for target, n in sizes.items()
    }


def test_two_steps_by_hand():
    """From zero, A = {1}, B = {3}: z = 0, residuals ½ and -½, so w = -½(½·1 - ½·3) = ½ and b = 0. Then z = ½ and 3/2:
    w = ½ - ½(σ(½) - 3(1 - σ(3/2))), b = -½(σ(½) - (1 - σ(3/2)))."""
    given = {0: np.array([[1.0]], np.float32), 1: np.array([[3.0]], np.float32)}
    normals, biases = descend(given, [(0, 1)], Solver("zero", steps=2, learning_rate=1.0))
    half = 1 / (1 + np.exp(-0.5))
    most = 1 / (1 + np.exp(-1.5))
    assert normals[0, 0] == pytest.approx(0.5 - 0.5 * (half - 3 * (1 - most)), abs=1e-6)
    assert biases[0] == pytest.approx(-0.5 * (half - (1 - most)), abs=1e-6)


def test_the_other_order_is_the_negative_from_zero(features):
    pairs = list(combinations(features, 2))
    normals, biases = descend(features, pairs, ZERO)
    turned, turned_biases = descend(features, [pair[::-1] for pair in pairs], ZERO)
    np.testing.assert_allclose(turned, -normals, atol=1e-6)
    np.testing.assert_allclose(turned_biases, -biases, atol=1e-6)


def test_from_zero_and_by_logistic_regression_half_of_the_pairs_is_computed(features):
    pairs = list(combinations(features, 2))
    split = {target: (rows, rows[:2]) for target, rows in features.items()}
    for solver in (ZERO, LOGISTIC):
        fitted = fit_pairs(split, pairs, solver)
        assert list(zip(fitted["first"].tolist(), fitted["second"].tolist(), strict=True)) == pairs
    fitted = fit_pairs(split, pairs, RANDOM)
    assert set(zip(fitted["first"].tolist(), fitted["second"].tolist(), strict=True)) == set(permutations(features, 2))


@pytest.mark.parametrize("solver", [ZERO, RANDOM])
def test_many_pairs_at_once_are_each_pair_alone(features, solver):
    pairs = list(permutations(features, 2))
    together, biases = descend(features, pairs, solver, seed=4)
    for pair, normal, bias in zip(pairs, together, biases, strict=True):
        two = {target: features[target] for target in pair}
        alone, bias_alone = descend(two, [pair], solver, seed=4)
        np.testing.assert_allclose(alone[0], normal, atol=1e-6)
        np.testing.assert_allclose(bias_alone[0], bias, atol=1e-6)


def test_products_in_bfloat16_give_nearly_the_same_planes(features):
    pairs = list(combinations(features, 2))
    full, _ = descend(features, pairs, ZERO)
    half, _ = descend(features, pairs, ZERO, precision="bfloat16")
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(half, axis=1)
    assert cosine.min() > 0.999


def test_a_processor_that_is_slower_in_bfloat16_takes_float32(features, monkeypatch):
    pairs = list(combinations(features, 2))
    monkeypatch.setattr(hyperplane_descent, "multiplies_small_bfloat16", lambda: False)
    full, _ = descend(features, pairs, ZERO)
    asked, _ = descend(features, pairs, ZERO, precision="bfloat16")
    np.testing.assert_array_equal(asked, full)


def test_both_sides_of_a_pair_keep_the_same_plane_in_padded_groups(features):
    """Classes of 30 and 25 features share a group."""
    sides = sides_of(features, list(combinations((2, 5, 6, 9), 2)), torch.float32)
    assert [tuple(group.rows.shape[:2]) for group in sides.groups] == [(1, 41), (2, 30), (1, 18)]
    normals = torch.zeros(len(sides.partners), CHANNELS)
    biases = torch.zeros(len(sides.partners), 1)
    for _ in range(3):
        descent_step(sides, normals, biases, learning_rate=0.5)
    torch.testing.assert_close(normals[sides.partners], normals, rtol=0, atol=0)
    torch.testing.assert_close(biases[sides.partners], biases, rtol=0, atol=0)
    assert (normals.abs().sum(1) > 0).all()


def test_a_random_start_depends_on_seed_and_pair(features):
    start = Solver("random", init="random", steps=1, learning_rate=1e-12)
    three = {target: features[target] for target in (2, 5, 6)}
    normals, biases = descend(three, [(2, 5), (5, 2), (2, 6)], start, seed=1)
    assert len({tuple(normal) for normal in normals.round(6).tolist()}) == 3
    assert np.abs(np.column_stack([normals, biases])).max() <= CHANNELS**-0.5
    alone = {target: features[target] for target in (2, 6)}
    again, _ = descend(alone, [(2, 6)], start, seed=1)
    np.testing.assert_allclose(again[0], normals[2])
    other, _ = descend(alone, [(2, 6)], start, seed=2)
    assert not np.allclose(other[0], normals[2])


def test_accuracies_count_both_sides():
    given = {0: np.array([[1.0], [4.0], [0.0]]), 1: np.array([[3.0]]), 2: np.array([[9.0], [-1.0]])}
    shares = accuracies(given, [(0, 1), (1, 2)], np.array([[1.0], [1.0]]), np.array([-2.0, -5.0]))
    assert shares.tolist() == [3 / 4, 2 / 3]


@pytest.mark.parametrize("solver", [ZERO, RANDOM, LOGISTIC])
def test_classes_whose_features_are_all_the_same_are_skipped(features, solver):
    same = np.full((4, CHANNELS), 0.7, np.float32)
    split = {target: (rows, rows) for target, rows in {2: features[2], 5: same, 6: same[:2]}.items()}
    fitted = fit_pairs(split, [(2, 5), (2, 6), (5, 6)], solver)
    assert fitted["skipped"].tolist() == [[5, 6]]
    assert {(2, 5), (2, 6)} <= set(zip(fitted["first"].tolist(), fitted["second"].tolist(), strict=True))
    assert all(np.isfinite(values).all() for values in fitted.values())


def test_classes_whose_normal_stays_at_zero_are_skipped():
    """As many features with the same sum: from zero no step moves the plane."""
    both = np.eye(2, dtype=np.float32)
    fitted = fit_pairs({0: (both, both), 1: (both[::-1].copy(), both)}, [(0, 1)], ZERO)
    assert fitted["skipped"].tolist() == [[0, 1]]
    assert len(fitted["normals"]) == 0


def test_nothing_but_indistinct_classes_gives_no_plane_and_no_error():
    same = np.ones((3, 2), np.float32)
    fitted = fit_pairs({0: (same, same), 1: (same, same)}, [(0, 1)], ZERO)
    assert len(fitted["first"]) == 0
    assert fitted["skipped"].tolist() == [[0, 1]]


def test_a_class_twice_and_a_class_without_features_are_named(features):
    split = {target: (rows, rows) for target, rows in features.items()}
    with pytest.raises(ShapeError, match="a pair needs two classes, got 5 twice"):
        fit_pairs(split, [(5, 5)], ZERO)
    with pytest.raises(ShapeError, match="class 7 has no features"):
        fit_pairs(split, [(5, 7)], ZERO)


def test_a_descent_that_runs_away_is_an_error(features):
    huge = {target: features[target] * 1e30 for target in (2, 5)}
    with pytest.raises(ConceptrastError, match="not finite after 100 steps: lower the learning rate"):
        descend(huge, [(2, 5)], Solver("zero", learning_rate=1e9))


def test_logistic_regression_is_converged(features):
    normals, biases = regress(features, [(2, 5)], "logistic")
    rows = torch.from_numpy(np.concatenate([features[2], features[5]])).double()
    labels = torch.tensor([0.0] * len(features[2]) + [1.0] * len(features[5])).double()
    weights = torch.from_numpy(normals[0]).double().requires_grad_()
    bias = torch.tensor(float(biases[0]), dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(rows @ weights + bias, labels, reduction="sum")
    (loss + weights.square().sum() / 2).backward()
    assert weights.grad is not None
    assert float(weights.grad.abs().max()) < 1e-2


def test_distances_are_signed_and_in_units_of_the_activations():
    plane = Hyperplane(np.array([3.0, 4.0], np.float32), -5.0)
    activations = torch.tensor([[[[0.0, 3.0]], [[0.0, 4.0]]]])
    assert plane.distances(activations).tolist() == [[[-1.0, 4.0]]]
    assert plane.reversed().distances(activations).tolist() == [[[1.0, -4.0]]]
    with pytest.raises(ConceptrastError, match=NO_PLANE):
        Hyperplane(np.zeros(2, np.float32), 0.0).distances(activations)


def test_a_random_plane_is_as_long_and_goes_through_the_middle():
    plane = Hyperplane(np.array([3.0, 4.0, 0.0], np.float32), 1.0)
    middle = np.array([1.0, -2.0, 0.5])
    chance = random_hyperplane(plane, middle, seed=0, pair=(1, 2))
    assert chance.length == pytest.approx(5, rel=1e-6)
    assert float(chance.normal @ middle + chance.bias) == pytest.approx(0, abs=1e-5)
    assert not np.allclose(chance.normal, random_hyperplane(plane, middle, seed=0, pair=(2, 1)).normal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "svm"}, "unknown solver 'svm'"),
        ({"init": "zeros"}, "unknown init 'zeros'; nearest: zero"),
        ({"step": 5}, "unknown key 'step'; nearest: steps"),
        ({"steps": 0}, r"contrast\.hyperplanes\.a\.steps is 0"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be above 0"),
    ],
)
def test_wrong_solvers_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        solvers_from_settings([{"name": "a", **settings}])


@pytest.mark.parametrize("init", ["zero", "random"])
@pytest.mark.parametrize("n_pairs_at_once", [1, 4, 100])
def test_coordinates_of_the_features_and_channels_are_moved_alike(monkeypatch, init, n_pairs_at_once):
    rng = np.random.default_rng(5)
    # Classes of one to nine features with 96 channels.
    few = {target: rng.standard_normal((1 + target, 96)).astype(np.float32) for target in range(9)}
    pairs = list(combinations(few, 2))
    solver = Solver("some", init=init, steps=40, learning_rate=0.3)
    assert has_few_features(few, pairs)
    monkeypatch.setattr("conceptrast.contrast.hyperplane_span.CACHED", n_pairs_at_once * (2 * 9) ** 2)
    in_span = descend(few, pairs, solver, seed=3)
    monkeypatch.setattr("conceptrast.contrast.hyperplane_descent.has_few_features", lambda *_: False)
    in_channels = descend(few, pairs, solver, seed=3)
    for one, other in zip(in_span, in_channels, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_coordinates_of_the_features_are_those_of_a_plain_loop():
    rng = np.random.default_rng(6)
    few = {target: rng.standard_normal((n, 40)).astype(np.float32) for target, n in ((0, 3), (1, 5))}
    rows = np.concatenate([few[0], few[1]]).astype(np.float64)
    labels = np.repeat([0.0, 1.0], [3, 5])
    normal = np.zeros(40)
    bias = 0.0
    for _ in range(25):
        residuals = 1 / (1 + np.exp(-(rows @ normal + bias))) - labels
        normal -= 0.2 / 8 * residuals @ rows
        bias -= 0.2 / 8 * residuals.sum()
    normals, biases = descend(few, [(0, 1)], Solver("zero", steps=25, learning_rate=0.2))
    np.testing.assert_allclose(normals[0], normal, atol=1e-6)
    assert biases[0] == pytest.approx(bias, abs=1e-6)
