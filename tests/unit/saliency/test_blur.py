"""Blurring a region: what the probabilities do, worked out by hand, and where a region goes by chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ConfigError, ModelError, ShapeError
from conceptrast.models.model import Model, Preprocess
from conceptrast.saliency.blur import BlurTest, elsewhere


def mean_colours(gain: float = 1.0) -> Model:
    """Logits are the means of the channels, times a gain."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3, bias=False))
    network[2].weight.data = gain * torch.eye(3)
    return Model("mean colours", network, Preprocess(None, 8, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])


def test_drops_are_those_worked_out_by_hand() -> None:
    images = torch.zeros(2, 3, 4, 4)
    images[0, 0] = 4.0
    images[1, 2] = 8.0
    plain = BlurTest.of(mean_colours(), images)
    np.testing.assert_allclose(plain.probabilities, torch.tensor([[4.0, 0, 0], [0, 0, 8.0]]).double().softmax(1))
    test = BlurTest(plain.model, images, torch.zeros_like(images), plain.probabilities)
    regions = torch.zeros(3, 4, 4, dtype=torch.bool)
    regions[0, :, :2] = True  # half of the first image: its logit falls from 4 to 2
    regions[1, :1] = True  # a quarter of the second: from 8 to 6
    drops = test.drops([0, 1, 0], regions)
    after = torch.tensor([[2.0, 0, 0], [0, 0, 6.0], [4.0, 0, 0]]).double().softmax(1).numpy()
    np.testing.assert_allclose(drops, plain.probabilities[[0, 1, 0]] - after, atol=1e-7)
    assert not drops[2].any()
    np.testing.assert_allclose(drops.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_batches_do_not_matter(batch_size: int) -> None:
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    regions = torch.rand(9, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.5
    places = np.arange(9) % 5
    one, other = (BlurTest.of(mean_colours(3), images, batch_size=size) for size in (32, batch_size))
    np.testing.assert_allclose(one.drops(places, regions), other.drops(places, regions), atol=1e-7)
    assert one.drops([], regions[:0]).shape == (0, 3)


@pytest.mark.parametrize("size", [(40, 60), (60, 40)])
def test_the_blur_is_a_gaussian_whose_width_goes_with_the_shorter_side(size: tuple[int, int]) -> None:
    images = torch.zeros(1, 3, *size)
    images[0, 1, 20, 20] = 1.0
    blurred = BlurTest.of(mean_colours(), images, share=0.05).blurred
    away = np.arange(-8, 9)
    bell = np.exp(-(away**2) / (2 * 2.0**2))  # 0.05 of 40 pixels
    bell /= bell.sum()
    np.testing.assert_allclose(blurred[0, 1, 12:29, 12:29], np.outer(bell, bell), atol=1e-6)
    assert not blurred[0, [0, 2]].any()


def test_beyond_its_border_a_picture_is_mirrored_and_a_plain_one_stays_as_it_is() -> None:
    images = torch.full((1, 3, 16, 16), 0.7)
    torch.testing.assert_close(BlurTest.of(mean_colours(), images, share=0.3).blurred, images)
    images[0, :, :8] = 0.1
    assert BlurTest.of(mean_colours(), images).blurred[0, 0, 0, 0] == pytest.approx(0.1)


def test_a_region_elsewhere_is_as_large_and_drawn_by_its_key() -> None:
    region = torch.zeros(9, 7, dtype=torch.bool)
    region[2:5, 1:3] = True
    moved = [elsewhere(region, [0, number]) for number in range(40)]
    assert {int(place.sum()) for place in moved} == {6}
    assert len({place.numpy().tobytes() for place in moved}) > 25
    rows, columns = (torch.stack(moved).any(dim=side).any(dim=0) for side in (2, 1))
    assert rows.all()
    assert columns.all()
    assert torch.equal(moved[3], elsewhere(region, [0, 3]))
    assert not torch.equal(moved[3], elsewhere(region, [1, 3]))


def test_images_and_model_are_left_as_they_were() -> None:
    images = torch.rand(1, 3, 8, 8)
    before = images.clone()
    model = mean_colours()
    weight = model.module[2].weight.clone()
    BlurTest.of(model, images).drops([0], torch.ones(1, 8, 8, dtype=torch.bool))
    assert torch.equal(images, before)
    assert torch.equal(model.module[2].weight, weight)
    assert not model.module.training


def test_what_cannot_be_blurred_is_said() -> None:
    images = torch.rand(1, 3, 8, 8)
    with pytest.raises(ConfigError, match="a blur needs a standard deviation above 0, got 0"):
        BlurTest.of(mean_colours(), images, share=0)
    test = BlurTest.of(mean_colours(), images)
    for places, size in (([0], (1, 8, 7)), ([0, 0], (1, 8, 8))):
        with pytest.raises(ShapeError, match="every region needs a place and the size of the images"):
            test.drops(places, torch.ones(*size, dtype=torch.bool))
    with pytest.raises(ModelError, match="mean colours gives logits that are not finite"):
        BlurTest.of(mean_colours(torch.inf), images)
