"""Total effects against analytic answers, and against the formula as CRAFT writes it."""

from __future__ import annotations

import numpy as np
import pytest

from conceptrast.concepts.sobol import designs, total_effects


def craft(outputs: np.ndarray, n_designs: int, k: int) -> np.ndarray:
    """Jansen's estimator as in the code of CRAFT: variance of the first design alone."""
    first = outputs[:n_designs]
    replaced = [outputs[n_designs * (2 + i) : n_designs * (3 + i)] for i in range(k)]
    variance = np.square(first - first.mean()).sum() / (n_designs - 1)
    return np.array([np.square(first - of_i).sum() / (2 * n_designs * variance) for of_i in replaced])


def test_a_sum_splits_the_variance_by_squares() -> None:
    slopes = np.array([3.0, 2.0, 1.0, 0.0])
    effects = total_effects(designs(1024, k=4) @ slopes, k=4)
    assert effects == pytest.approx(np.square(slopes) / np.square(slopes).sum(), abs=0.01)


def test_a_product_has_effects_that_sum_to_more_than_one() -> None:
    # Var(xy) = 7/144 for uniform x and y; the total effect of each is E[y²] Var(x) = 1/36, so 4/7.
    shares = designs(4096, k=2)
    assert total_effects(shares[:, 0] * shares[:, 1], k=2) == pytest.approx([4 / 7, 4 / 7], abs=0.01)


def test_one_component_has_all_of_the_effect() -> None:
    assert total_effects(designs(256, k=1)[:, 0] ** 2, k=1) == pytest.approx([1.0], abs=0.02)


def test_no_effects_are_known_where_the_logit_does_not_change() -> None:
    shares = designs(8, k=3)
    assert total_effects(np.full(len(shares), 7.5), k=3) is None
    assert total_effects(np.zeros(len(shares)), k=3) is None


@pytest.mark.parametrize("k", [1, 2, 6])
def test_it_is_the_estimator_of_craft_up_to_the_variance(k: int) -> None:
    shares = designs(64, k)
    answers = np.sin(3 * shares).sum(axis=1) + shares.prod(axis=1)
    ours = total_effects(answers, k)
    theirs = craft(answers, 64, k)
    ratio = answers[:64].var(ddof=1) / answers[:128].var(ddof=1)
    assert ours == pytest.approx(theirs * ratio, rel=1e-6)


@pytest.mark.parametrize("n", [1, 3, 32])
def test_designs_replace_one_column_at_a_time_and_depend_on_the_seed_alone(n: int) -> None:
    shares = designs(n, k=3, seed=2)
    first, second, *replaced = shares.reshape(5, n, 3)
    for component, values in enumerate(replaced):
        expected = first.copy()
        expected[:, component] = second[:, component]
        assert np.array_equal(values, expected)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert np.array_equal(shares, designs(n, k=3, seed=2))
    assert not np.array_equal(shares, designs(n, k=3, seed=3))
