r"""The adversarial autoencoder with a classification head: its networks, and the statistics that its critic sees.

Notation: ``x`` pictures ``[N, 3, s, s]`` in 0 to 1, ``c = e(x)`` codes ``[N, 128]``, ``x̂ = g(c)`` the decoded
pictures, ``l = h(c)`` the logit ``[N]`` of class 2, ``d`` the critic.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.bias.comparison import check_size
from conceptrast.models.model import Preprocess

CODE = 128
FIRST_CHANNELS = 16
KERNEL = 5


class Passed(NamedTuple):
    """What the autoencoder makes of pictures: codes ``[N, 128]``, pictures ``[N, 3, s, s]``, logits ``[N]``."""

    codes: Tensor
    decoded: Tensor
    logits: Tensor


class Autoencoder(nn.Module):
    r"""Encoder, decoder and linear classifier.

    The encoder is a chain of 5×5 convolutions, with batch norm and ReLU after each. The first has stride 2 and 16
    channels. Each further one has stride 4 and four times the channels, until one position is left. A linear layer with
    batch norm and ReLU gives the code. The decoder is the mirror image of the encoder and ends with a sigmoid.

    Args:
        size: side of the pictures in pixels, one of :data:`~conceptrast.bias.comparison.SIZES`.
        seed: the seed of the weights; the global random state is left alone.

    Raises:
        ConfigError: another size; the message lists the right ones.

    Source: adversarial autoencoders, Makhzani et al. 2015, with the class supervised. Deviation from the published
    code: there, the decoder grows from 16 to 1,024 channels as the picture grows, which costs thirty times as much.

    Example:
        >>> passed = Autoencoder(32).eval()(torch.zeros(2, 3, 32, 32))
        >>> passed.codes.shape, passed.decoded.shape, passed.logits.shape, bool((passed.codes >= 0).all())
        (torch.Size([2, 128]), torch.Size([2, 3, 32, 32]), torch.Size([2]), True)
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        super().__init__()
        check_size(size)
        self.size = size
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(library_seed(LibrarySeed.AUTOENCODER_WEIGHTS, seed))
            self.encoder = encoder_of(size)
            self.decoder = _decoder(size)
            self.classifier = nn.Linear(CODE, 1)
        # In this memory format convolutions run faster, above all in bfloat16. Values and names stay the same.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pictures: Tensor) -> Passed:
        """Codes, decoded pictures and logits of class 2."""
        codes = self.encoder(pictures)
        return Passed(codes, self.decode(codes), self.classifier(codes).squeeze(1))

    def decode(self, codes: Tensor) -> Tensor:
        """Pictures ``[N, 3, s, s]`` in 0 to 1 of codes ``[N, 128]``."""
        return self.decoder(codes)


def plain_preprocess(size: int) -> Preprocess:
    """How pictures become views for the autoencoder. They are resized, and their values stay in 0 to 1.

    Example:
        >>> plain_preprocess(32).size
        (32, 32)
    """
    return Preprocess(size, size, (0.0,) * 3, (1.0,) * 3)


def as_input(views: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Turn views uint8 ``[N, 3, s, s]`` into the autoencoder's input: 0 to 1, channels last.

    Example:
        >>> as_input(torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)).max()
        tensor(1.)
    """
    return (views.to(device).float() / 255).contiguous(memory_format=torch.channels_last)


def critic(seed: int = 0) -> nn.Sequential:
    """The critic. It takes statistics of a batch ``[2 · 128]`` and gives the logit that they come from normal samples.

    Example:
        >>> critic()(torch.zeros(1, 256)).shape
        torch.Size([1, 1])
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(library_seed(LibrarySeed.CRITIC_WEIGHTS, seed))
        return nn.Sequential(
            *(nn.Linear(2 * CODE, 64), nn.LeakyReLU(0.2)),
            *(nn.Linear(64, 16), nn.LeakyReLU(0.2)),
            nn.Linear(16, 1),
        )


def batch_statistics(codes: Tensor) -> Tensor:
    r"""The means of the code's places over a batch, followed by their standard deviations.

    .. math:: m_j = \frac{1}{N} \sum_i c_{ij}, \qquad s_j = \sqrt{\frac{1}{N} \sum_i (c_{ij} - m_j)^2 + 10^{-6}}

    Args:
        codes: ``[N, C]``.

    Returns:
        ``[1, 2 C]``.

    Example:
        >>> batch_statistics(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        tensor([[2.0000e+00, 5.0000e+00, 1.0000e+00, 1.0000e-03]])
    """
    # The small number keeps the root's gradient finite, so that a place whose codes are all zero can come back.
    spread = (codes.var(dim=0, unbiased=False) + 1e-6).sqrt()
    return torch.cat([codes.mean(dim=0), spread])[None]


def _channels(size: int) -> list[int]:
    """Channels after each convolution: 16 at half the size, then four times as many whenever the size is quartered."""
    widths = [FIRST_CHANNELS]
    side = size // 2
    while side > 1:
        widths.append(4 * widths[-1])
        side //= 4
    return widths


def encoder_of(size: int) -> nn.Sequential:
    """An encoder of pictures ``[N, 3, size, size]`` into codes ``[N, 128]``, with torch's random weights.

    Example:
        >>> encoder_of(8).eval()(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 128])
    """
    layers: list[nn.Module] = []
    before = 3
    for number, width in enumerate(_channels(size)):
        stride, padding = (4, 1) if number else (2, 2)  # so that every row and column of pixels is seen
        shrink = nn.Conv2d(before, width, KERNEL, stride=stride, padding=padding, bias=False)
        layers += [shrink, nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    code = [nn.Flatten(), nn.Linear(before, CODE, bias=False), nn.BatchNorm1d(CODE), nn.ReLU()]
    return nn.Sequential(*layers, *code)


def _decoder(size: int) -> nn.Sequential:
    widths = _channels(size)[::-1]
    layers: list[nn.Module] = [nn.Linear(CODE, widths[0], bias=False), nn.BatchNorm1d(widths[0]), nn.ReLU()]
    layers.append(nn.Unflatten(1, (widths[0], 1, 1)))
    for before, width in pairwise(widths):
        grow = nn.ConvTranspose2d(before, width, KERNEL, stride=4, padding=1, output_padding=1, bias=False)
        layers += [grow, nn.BatchNorm2d(width), nn.ReLU()]
    last = nn.ConvTranspose2d(widths[-1], 3, KERNEL, stride=2, padding=2, output_padding=1)
    return nn.Sequential(*layers, last, nn.Sigmoid())
