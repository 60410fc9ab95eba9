"""Parts of components: what is taken out is what was put in, whatever the weights; nothing becomes negative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptrast.concepts.component_removal import (
    ClassSuffix,
    ComponentParts,
    as_much_at_random,
    channel_weights,
    with_rest,
    without_rest,
)
from conceptrast.models.split import SplitModel

H = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])


def mixed(seed: int = 0, n: int = 4) -> tuple[Tensor, Tensor]:
    """Codes ``[n, 2, 2, 2]`` and the activations that they make of both components."""
    codes = torch.from_numpy(np.random.default_rng(seed).random((n, 2, 2, 2), dtype=np.float32))
    return codes, torch.einsum("nkyx,kc->ncyx", codes, torch.from_numpy(H).float())


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.01, 5.0, 30.0]])
def test_parts_are_those_that_the_activations_are_made_of_whatever_the_weights(weights) -> None:
    codes, activations = mixed()
    components = ComponentParts(H * np.array(weights), np.array(weights))
    parts = components.parts(components.codes(activations))
    expected = torch.einsum("nkyx,kc->nkcyx", codes, torch.from_numpy(H).float())
    assert torch.allclose(parts, expected, atol=1e-3)


def test_a_channel_of_weight_zero_belongs_to_no_part() -> None:
    _, activations = mixed()
    components = ComponentParts(H * np.array([1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    parts = components.parts(components.codes(activations))
    assert torch.isfinite(parts).all()
    assert (parts[:, :, 2] == 0).all()
    without = with_rest(activations[0], parts[0], torch.zeros(1, 2))
    assert torch.equal(without[0, 2], activations[0, 2])


def test_parts_of_signed_components_are_taken_out_as_they_are() -> None:
    signed = np.array([[1.0, -2.0, 0.0], [0.0, 0.5, 3.0]])
    codes = torch.from_numpy(np.random.default_rng(1).random((3, 2, 2, 2), dtype=np.float32))
    activations = torch.einsum("nkyx,kc->ncyx", codes, torch.from_numpy(signed).float())
    weights = np.array([0.5, 2.0, 4.0])
    components = ComponentParts(signed * weights, weights)
    assert torch.allclose(components.codes(activations), codes, atol=1e-3)
    parts = components.parts(components.codes(activations))[0]
    states = with_rest(activations[0], parts, torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]))
    assert torch.equal(states[0], activations[0])
    assert torch.allclose(states[1], parts[1], atol=1e-4)
    assert torch.allclose(states[2], torch.zeros(()), atol=1e-2)


def test_chance_takes_as_much_of_signed_activations() -> None:
    activations = torch.tensor([1.0, -1.0]).repeat(500).view(1, 1, 1000)
    drawn = torch.from_numpy(np.random.default_rng(0).random((1, 1, 1000), np.float32))
    # The others have lost a quarter of each size, towards zero from both sides.
    [at_random] = as_much_at_random(activations, 0.75 * activations[None], drawn)
    assert set(at_random.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert float((at_random == 0).float().mean()) == pytest.approx(0.25, abs=0.04)


def test_components_of_zeros_hold_nothing() -> None:
    _, activations = mixed()
    components = ComponentParts(np.zeros((2, 3)), np.ones(3))
    parts = components.parts(components.codes(activations))
    assert (parts == 0).all()
    assert torch.equal(with_rest(activations[0], parts[0], torch.zeros(1, 2))[0], activations[0])


def test_what_is_taken_out_leaves_the_other_parts_and_nothing_negative() -> None:
    _, activations = mixed()
    before = activations.clone()
    parts = ComponentParts(H, np.ones(3)).parts(ComponentParts(H, np.ones(3)).codes(activations))[0]
    states = with_rest(activations[0], 1.5 * parts, torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]))
    assert torch.allclose(states[0], activations[0])
    assert torch.allclose(states[1, 2], activations[0, 2])
    assert (states >= 0).all()
    assert states[2].abs().max() == 0
    assert torch.equal(activations, before)


def test_negative_activations_stay_as_they_are() -> None:
    activations = torch.tensor([-2.0, 3.0]).view(2, 1, 1)
    parts = torch.tensor([4.0, 4.0]).view(1, 2, 1, 1)
    assert with_rest(activations, parts, torch.zeros(1, 1)).ravel().tolist() == [-2.0, 0.0]


def test_with_an_exact_factorization_the_rest_is_nothing() -> None:
    _, activations = mixed()
    components = ComponentParts(H, np.ones(3))
    parts = components.parts(components.codes(activations))[0]
    shares = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.25, 0.5]])
    assert torch.allclose(with_rest(activations[0], parts, shares), without_rest(parts, shares), atol=1e-3)


def test_chance_takes_as_much_in_the_mean() -> None:
    draw = np.random.default_rng(0)
    activations = torch.from_numpy(draw.random((40, 20, 20), dtype=np.float32))
    without = torch.stack([0.7 * activations, activations, 0 * activations])
    drawn = torch.from_numpy(draw.random((40, 20, 20), dtype=np.float32))
    lost = (activations - as_much_at_random(activations, without, drawn)).sum(dim=(1, 2, 3)) / activations.sum()
    assert lost.tolist() == pytest.approx([0.3, 0.0, 1.0], abs=0.01)


def test_chance_takes_nothing_from_activations_of_zeros() -> None:
    zeros = torch.zeros(2, 1, 1)
    assert torch.equal(as_much_at_random(zeros, zeros[None], torch.zeros(2, 1, 1)), zeros[None])


def test_weights_of_channels_are_those_of_the_factorization() -> None:
    attribution = {"multiplier": np.array([[3.0, -1.0], [1.0, -3.0]])}
    assert channel_weights(attribution, "channel").tolist() == [2.0, 0.0]
    assert channel_weights(attribution, "position").tolist() == [1.0, 1.0]


def test_answers_do_not_depend_on_batches_and_are_those_of_the_suffix() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    split = SplitModel(network, "0")
    activations = torch.rand(7, 3, 2, 2)
    answers = ClassSuffix(split, target=2, batch_size=3).answers(activations)
    with torch.no_grad():
        logits = split.suffix(activations).double()
    assert answers.logit == pytest.approx(logits[:, 2].numpy(), abs=1e-6)
    assert answers.probability == pytest.approx(logits.softmax(1)[:, 2].numpy(), abs=1e-6)
    assert answers.predicted.tolist() == logits.argmax(1).tolist()
