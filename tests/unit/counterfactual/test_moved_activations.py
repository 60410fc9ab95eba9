"""Moved activations for the training of a decoder."""

from __future__ import annotations

import pytest
import torch

from conceptrast.counterfactual.moved_activations import NOISE, mixed, noisy


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_has_the_stated_size_and_is_not_negative_where_rectified():
    activations = torch.full((8, 16, 8, 8), 2.0)
    noise = noisy(activations, False, seeded()) - activations
    assert float(noise.std()) == pytest.approx(2 * NOISE, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    small = torch.zeros(4, 4, 4, 4)
    small[0] = 1
    assert float(noisy(small, True, seeded()).min()) == 0
    assert float(noisy(small, False, seeded()).min()) < 0


def test_a_mixture_has_a_block_of_another_picture_and_the_same_pixels():
    """Each picture is its number throughout, in activations and pixels: two pixels stand for a position."""
    values = torch.arange(1.0, 9).view(8, 1, 1, 1)
    activations = values.expand(8, 2, 6, 6)
    pictures = values.expand(8, 3, 12, 12)
    mixture = mixed(activations, pictures, seeded())
    partners = set()
    for number in range(8):
        other = mixture.activations[number] != number + 1
        assert torch.equal(other[0], other[1])
        rows = other[0].any(dim=1)
        columns = other[0].any(dim=0)
        assert int(other[0].sum()) == int(rows.sum()) * int(columns.sum())
        assert int(rows.sum()) <= 3
        assert int(columns.sum()) <= 3
        if other.any():
            [partner] = set(mixture.activations[number][other].tolist())
            partners.add(partner)
        pixels = other[0].repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
        assert torch.equal(mixture.pictures[number, 0] != number + 1, pixels)
    assert len(partners) > 3
    assert mixture.known.tolist() == [True, False] * 4


def test_every_second_picture_gets_the_mean_of_the_block():
    activations = torch.rand(6, 2, 6, 6, generator=seeded(1))
    mixture = mixed(activations, torch.rand(6, 3, 12, 12), seeded(2))
    for number in (1, 3, 5):
        changed = (mixture.activations[number] != activations[number]).any(dim=0)
        if changed.any():
            values = mixture.activations[number][:, changed]
            assert torch.allclose(values, values[:, :1].expand_as(values))


def test_inputs_stay_and_the_seed_decides():
    activations = torch.rand(4, 2, 4, 4)
    pictures = torch.rand(4, 3, 8, 8)
    before = (activations.clone(), pictures.clone())
    one, other, third = (mixed(activations, pictures, seeded(seed)) for seed in (0, 0, 1))
    noisy(activations, True, seeded())
    assert torch.equal(activations, before[0])
    assert torch.equal(pictures, before[1])
    assert torch.equal(one.activations, other.activations)
    assert not torch.equal(one.activations, third.activations)


def test_nothing_is_negative_in_a_mixture_of_rectified_activations():
    assert float(mixed(torch.rand(8, 2, 5, 5), torch.rand(8, 3, 10, 10), seeded()).activations.min()) >= 0
