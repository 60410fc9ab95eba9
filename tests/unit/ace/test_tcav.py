"""CAVs and TCAV scores: by hand, and against plain autograd, scikit-learn, scipy and captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from conceptrast.ace.tcav import class_gradients, fit_cavs, holm, tcav_scores, two_sided_p
from conceptrast.base.errors import ShapeError
from conceptrast.models.split import SplitModel


def network(seed: int = 0) -> nn.Sequential:
    """Weights large enough for the suffix to be far from linear: derivatives of both signs."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3)
    return net.eval()


def images(n: int, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_gradients_are_derivatives_along_a_vector_added_at_every_position():
    net = network()
    split = SplitModel(net, "1")
    activations = split.prefix(images(7)).detach().double()
    net.double()
    before = activations.clone()
    gradients = class_gradients(split, activations, target=2, batch_size=3)
    assert torch.equal(activations, before)
    along = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    step = 1e-6
    moved = [split.suffix(activations + sign * step * along.view(1, 5, 1, 1))[:, 2] for sign in (1, -1)]
    numeric = ((moved[0] - moved[1]) / (2 * step)).detach().numpy()
    np.testing.assert_allclose(gradients @ along.numpy(), numeric, rtol=1e-6, atol=1e-9)
    assert not any(weight.grad is not None for weight in net.parameters())


def test_scores_are_those_of_a_plain_loop():
    net = network()
    split = SplitModel(net, "1")
    activations = split.prefix(images(20)).detach()
    cavs = np.random.default_rng(4).normal(size=(6, 5))
    rises = np.zeros((20, 6))
    for image in range(20):
        for draw in range(6):
            amount = torch.zeros((), requires_grad=True)
            along = torch.from_numpy(cavs[draw]).float().view(1, 5, 1, 1)
            net[2:](activations[image : image + 1] + amount * along)[0, 1].backward()
            rises[image, draw] = amount.grad.item()
    scores = tcav_scores(class_gradients(split, activations, 1), cavs)
    np.testing.assert_array_equal(scores, (rises > 0).mean(axis=0))
    assert len(set(scores)) > 2  # not all the same, which anything would reproduce


def test_scores_are_captums(tmp_path):
    """Captum works on flattened activations: our CAV [C] is the same at every position there."""
    concept = pytest.importorskip("captum.concept")
    net = network()
    pictures = images(30)
    vector = np.random.default_rng(5).normal(size=5)

    class Given(concept.Classifier):
        """Gives the vector in place of a fitted one."""

        def __init__(self):
            pass

        def train_and_eval(self, dataloader, **kwargs):
            for _ in dataloader:
                pass
            return {"accs": torch.tensor(1.0)}

        def weights(self):
            flat = torch.from_numpy(np.repeat(vector, 36)).float()
            return torch.stack([flat, -flat])

        def classes(self):
            return [0, 1]

    data = [
        concept.Concept(number, f"c{number}", torch.utils.data.DataLoader(images(4, seed=number), batch_size=4))
        for number in range(2)
    ]
    captum_scores = concept.TCAV(net, ["1"], classifier=Given(), save_path=str(tmp_path)).interpret(
        pictures, [data], target=1
    )
    [by_layer] = captum_scores.values()
    split = SplitModel(net, "1")
    ours = tcav_scores(class_gradients(split, split.prefix(pictures).detach(), 1), vector[None])
    assert by_layer["1"]["sign_count"][0].item() == pytest.approx(ours[0], abs=1e-6)
    assert 0 < ours[0] < 1


def test_cavs_are_scikit_learns_ridge():
    draw = np.random.default_rng(6)
    positives = draw.normal(0.5, 1, (3, 9, 4))
    negatives = draw.normal(0, 1, (3, 12, 4))
    cavs = fit_cavs(positives, negatives)
    for number in range(3):
        rows = np.concatenate([positives[number, 3:], negatives[number, 4:]])
        signs = np.repeat([1.0, -1.0], [6, 8])
        penalty = ((rows - rows.mean(0)) ** 2).sum() / len(rows)
        fitted = Ridge(alpha=penalty).fit(rows, signs)
        np.testing.assert_allclose(cavs.vectors[number], fitted.coef_ / np.linalg.norm(fitted.coef_), rtol=1e-8)
        right = (fitted.predict(positives[number, :3]) > 0).mean(), (fitted.predict(negatives[number, :4]) < 0).mean()
        assert cavs.accuracy[number] == pytest.approx(np.mean(right))


def test_the_positive_side_of_a_cav_is_the_concept_whatever_its_scale():
    draw = np.random.default_rng(7)
    noise = draw.normal(0, 0.1, (2, 5, 12, 8))
    positives = noise[0] + np.eye(8)[3]
    negatives = noise[1]
    cavs = fit_cavs(positives, negatives)
    assert (cavs.vectors[:, 3] > 0.95).all()
    np.testing.assert_allclose(np.linalg.norm(cavs.vectors, axis=1), 1)
    assert (cavs.accuracy == 1).all()
    np.testing.assert_allclose(fit_cavs(1000 * positives, 1000 * negatives).vectors, cavs.vectors, atol=1e-10)


def test_held_out_segments_do_not_shape_the_cav():
    draw = np.random.default_rng(8)
    positives = draw.normal(3, 1, (1, 6, 3))
    negatives = draw.normal(0, 1, (1, 6, 3))
    moved = positives.copy()
    moved[0, :2] -= 100
    one = fit_cavs(positives, negatives)
    other = fit_cavs(moved, negatives)
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert other.accuracy[0] < one.accuracy[0]


def test_segments_that_are_all_the_same_have_no_direction():
    cavs = fit_cavs(np.ones((2, 4, 3)), np.ones((2, 4, 3)))
    assert not cavs.vectors.any()
    assert tcav_scores(np.ones((5, 3)), cavs.vectors).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("positives", "negatives"), [((2, 4, 3), (3, 4, 3)), ((2, 4, 3), (2, 4, 5)), ((2, 1, 3), (2, 4, 3))]
)
def test_shapes_that_do_not_fit_are_named(positives, negatives):
    with pytest.raises(ShapeError, match=rf"\({positives[0]}, {positives[1]}, 3\)"):
        fit_cavs(np.ones(positives), np.ones(negatives))


def test_a_derivative_of_zero_is_no_rise():
    assert tcav_scores(np.array([[0.0], [1.0]]), np.array([[1.0], [-1.0]])).tolist() == [0.5, 0.0]


def test_p_values_are_scipys_where_both_sides_vary():
    draw = np.random.default_rng(9)
    scores = draw.uniform(0.6, 1, 20)
    random = draw.uniform(0, 1, 17)
    expected = stats.ttest_ind(scores, random, equal_var=False).pvalue
    assert two_sided_p(scores, random) == pytest.approx(expected, rel=1e-9)
    assert two_sided_p(random, scores) == pytest.approx(expected, rel=1e-9)


def test_p_values_where_nothing_varies_are_those_of_a_permutation_test():
    assert two_sided_p(np.full(20, 0.3), np.full(20, 0.3)) == 1
    # 2 of the 70 ways to take 4 of 8 scores separate them.
    assert two_sided_p(np.ones(4), np.zeros(4)) == pytest.approx(2 / 70)
    exact = stats.permutation_test(
        (np.ones(4), np.zeros(4)), lambda a, b: a.mean() - b.mean(), permutation_type="independent"
    )
    assert two_sided_p(np.ones(4), np.zeros(4)) == pytest.approx(exact.pvalue)


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04; none may be below the one before it.
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert holm(np.array([])).tolist() == []
