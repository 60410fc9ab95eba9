"""Decoders of the autoencoder: the published one layer by layer, and the range of its pixels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.comparison import DECODERS
from conceptrast.bias.decoders import DECODER_KINDS, published_decoder
from conceptrast.bias.encoders import CODE


def test_the_configuration_knows_all_decoders():
    assert tuple(DECODER_KINDS) == DECODERS


@pytest.mark.parametrize(
    ("size", "channels"), [(8, [16, 64, 3]), (32, [16, 64, 256, 3]), (128, [16, 64, 256, 1024, 3])]
)
def test_channels_of_the_published_decoder_grow_with_the_picture(size, channels):
    decoder = published_decoder(size)
    linear = next(part for part in decoder if isinstance(part, nn.Linear))
    up = [part for part in decoder if isinstance(part, nn.ConvTranspose2d)]
    assert [linear.out_features, *(part.out_channels for part in up)] == channels
    assert [part.stride[0] for part in up] == [4] * (len(up) - 1) + [2]
    assert {(part.kernel_size, part.padding) for part in up} == {((5, 5), (2, 2))}
    assert [part.negative_slope for part in decoder if isinstance(part, nn.LeakyReLU)] == [0.2] * (len(up) - 1)


@pytest.mark.parametrize("size", [8, 32])
def test_it_decodes_pictures_of_every_size(size):
    assert published_decoder(size)(torch.rand(2, CODE)).shape == (2, 3, size, size)


def test_its_pixels_are_linear_in_training_and_limited_where_they_are_looked_at():
    network = Autoencoder(8, decoder="published")
    last = [part for part in network.decoder if isinstance(part, nn.ConvTranspose2d)][-1]
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([-1.0, 0.25, 2.0]))
    codes = torch.rand(2, CODE)
    assert network.train().decode(codes)[0, :, 0, 0].tolist() == [-1.0, 0.25, 2.0]
    assert network.eval().decode(codes)[0, :, 0, 0].tolist() == [0.0, 0.25, 1.0]


def test_pixels_beyond_the_range_keep_their_gradient_in_training():
    network = Autoencoder(8, decoder="published").train()
    last = [part for part in network.decoder if isinstance(part, nn.ConvTranspose2d)][-1]
    with torch.no_grad():
        last.bias.fill_(3.0)
    network.decode(torch.rand(4, CODE)).sum().backward()
    assert last.bias.grad.abs().min() > 0


def test_the_decoder_leaves_the_encoder_and_its_weights_as_they_are():
    mirrored, published = (Autoencoder(8, seed=2, decoder=name).encoder.state_dict() for name in DECODERS)
    assert all(torch.equal(value, published[name]) for name, value in mirrored.items())


def test_its_padding_leaves_a_margin_that_no_code_changes():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = published_decoder(32).eval()[:-1]  # pixels before they are limited to 0 to 1
    one, other = decoder(torch.rand(2, CODE, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(one[:, 23:], other[:, 23:])
    assert torch.equal(one[:, :, 23:], other[:, :, 23:])
    assert (one != other)[:, :23, :23].double().mean() > 0.99  # by chance a pixel may be equal
