"""The networks of the adversarial autoencoder: sizes, symmetry, seeds, the critic's statistics."""

from __future__ import annotations

import pytest
import torch

from conceptrast.base.errors import ConfigError
from conceptrast.bias.autoencoder import Autoencoder, batch_statistics, critic
from conceptrast.bias.comparison import SIZES
from conceptrast.bias.encoders import CODE


@pytest.mark.parametrize(("size", "channels"), [(8, [16, 64]), (32, [16, 64, 256]), (128, [16, 64, 256, 1024])])
def test_convolutions_end_at_one_position_and_the_decoder_mirrors_them(size, channels):
    network = Autoencoder(size).eval()
    down = [part for part in network.encoder if isinstance(part, torch.nn.Conv2d)]
    up = [part for part in network.decoder if isinstance(part, torch.nn.ConvTranspose2d)]
    assert [part.out_channels for part in down] == channels
    assert [part.stride[0] for part in down] == [2] + [4] * (len(channels) - 1)
    assert {part.kernel_size for part in [*down, *up]} == {(5, 5)}
    assert [(part.in_channels, part.stride) for part in up] == [(part.out_channels, part.stride) for part in down[::-1]]
    passed = network(torch.rand(2, 3, size, size))
    assert passed.codes.shape == (2, CODE)
    assert passed.decoded.shape == (2, 3, size, size)
    assert passed.logits.shape == (2,)


@pytest.mark.parametrize("size", [0, 16, 31, 64, 256])
def test_a_size_that_the_strides_do_not_allow_lists_those_that_they_do(size):
    with pytest.raises(ConfigError, match="8, 32, 128, 512"):
        Autoencoder(size)
    assert size not in SIZES


@pytest.mark.parametrize("size", [8, 32])
def test_every_pixel_of_a_picture_reaches_the_code(size):
    pictures = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    Autoencoder(size).eval().encoder[:-2](pictures).square().sum().backward()  # before batch norm and ReLU of the code
    assert (pictures.grad.abs().sum(dim=(0, 1)) > 0).all()


def test_codes_are_rectified_and_pictures_lie_between_0_and_1():
    passed = Autoencoder(8).train()(torch.randn(16, 3, 8, 8) * 10)
    assert passed.codes.min() == 0
    assert passed.codes.max() > 0
    assert 0 <= passed.decoded.min() <= passed.decoded.max() <= 1


def test_weights_follow_the_seed_and_leave_the_global_state_alone():
    state = torch.get_rng_state()
    one = Autoencoder(8, seed=1)
    again = Autoencoder(8, seed=1)
    other = Autoencoder(8, seed=2)
    judges = critic(1), critic(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert torch.equal(judges[0][0].weight, judges[1][0].weight)


def test_statistics_are_mean_and_population_deviation_of_each_place():
    codes = torch.tensor([[0.0, 2.0], [4.0, 2.0]])
    torch.testing.assert_close(batch_statistics(codes), torch.tensor([[2.0, 2.0, 2.0, 0.001]]), atol=1e-6, rtol=0)
    assert critic()(batch_statistics(torch.zeros(3, CODE))).shape == (1, 1)


def test_statistics_of_dead_codes_have_a_gradient_that_is_a_number():
    codes = torch.zeros(4, 3, requires_grad=True)
    batch_statistics(codes).sum().backward()
    assert codes.grad.isfinite().all()
