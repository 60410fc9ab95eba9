r"""The adversarial autoencoder with a classification head: its networks, and the statistics that its critic sees.

Notation: ``x`` pictures ``[N, 3, s, s]`` in 0 to 1, ``c = e(x)`` codes ``[N, 128]``, ``x̂ = g(c)`` the decoded
pictures, ``l = h(c)`` the logit ``[N]`` of class 2, ``d`` the critic. An encoder that starts from a backbone sees
pictures of the backbone's size ``S ≥ s``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from conceptrast.base.errors import ConfigError
from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.bias.backbone import Backbone, BackboneEncoder
from conceptrast.bias.comparison import check_size
from conceptrast.bias.decoders import DECODER_KINDS
from conceptrast.bias.encoders import CODE, encoder_of
from conceptrast.models.model import Preprocess


class Passed(NamedTuple):
    """What the autoencoder makes of pictures: codes ``[N, 128]``, pictures ``[N, 3, s, s]``, logits ``[N]``."""

    codes: Tensor
    decoded: Tensor
    logits: Tensor


class Autoencoder(nn.Module):
    r"""Encoder, decoder and linear classifier.

    The encoder is a chain of 5×5 convolutions, with batch norm and ReLU after each. The first has stride 2 and 16
    channels. Each further one has stride 4 and four times the channels, until one position is left. A linear layer with
    batch norm and ReLU gives the code. With a backbone, layers of a classifier take the place of the convolutions. The
    decoder is the mirror image of the encoder and ends with a sigmoid, or it is the published one.

    Args:
        size: side of the decoded pictures in pixels, one of :data:`~conceptrast.bias.comparison.SIZES`.
        seed: the seed of the weights; the global random state is left alone.
        decoder: ``mirrored`` or ``published``.
        backbone: where the encoder starts from, if it does not start from scratch.

    Attributes:
        preprocess: how pictures become the encoder's views.

    Raises:
        ConfigError: another size, and the message lists the right ones; or the backbone takes smaller pictures than are
            decoded, or pictures of another kind.
        LayerError: the backbone cannot be cut at its layer, or the layer has no positions.

    Source: adversarial autoencoders, Makhzani et al. 2015, with the class supervised. Deviation from the published
    code: there, the decoder grows from 16 to 1,024 channels as the picture grows, which costs thirty times as much at
    128 pixels; ``published`` is this one.

    Example:
        >>> passed = Autoencoder(32).eval()(torch.zeros(2, 3, 32, 32))
        >>> passed.codes.shape, passed.decoded.shape, passed.logits.shape, bool((passed.codes >= 0).all())
        (torch.Size([2, 128]), torch.Size([2, 3, 32, 32]), torch.Size([2]), True)
    """

    def __init__(self, size: int, seed: int = 0, decoder: str = "mirrored", backbone: Backbone | None = None) -> None:
        super().__init__()
        check_size(size)
        self.size = size
        self.preprocess = plain_preprocess(size) if backbone is None else backbone.preprocess
        check_input(self.preprocess.size[0], size)
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(library_seed(LibrarySeed.AUTOENCODER_WEIGHTS, seed))
            self.encoder = encoder_of(size) if backbone is None else BackboneEncoder(backbone)
            self.decoder = DECODER_KINDS[decoder](size)
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

    def target(self, pictures: Tensor) -> Tensor:
        """What is to be decoded, ``[N, 3, s, s]``, of the pictures ``[N, 3, S, S]`` that the encoder sees.

        Where these are larger, a pixel is the mean of those that it covers.
        """
        return pictures if pictures.shape[-1] == self.size else adaptive_avg_pool2d(pictures, self.size)


def plain_preprocess(size: int) -> Preprocess:
    """How pictures become views for the autoencoder. They are resized, and their values stay in 0 to 1.

    Example:
        >>> plain_preprocess(32).size
        (32, 32)
    """
    return Preprocess(size, size, (0.0,) * 3, (1.0,) * 3)


def check_input(input_size: int, size: int) -> None:
    """Refuse an encoder that sees smaller pictures than are to be decoded.

    Args:
        input_size: side of the encoder's pictures in pixels.
        size: side of the decoded pictures in pixels.

    Raises:
        ConfigError: the message names both.

    Example:
        >>> check_input(96, 128)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: the encoder sees pictures of 96 pixels, fewer than the 128 that are \
decoded: raise the model's input_size to 128 or more, or lower size
    """
    if input_size < size:
        raise ConfigError(
            f"the encoder sees pictures of {input_size} pixels, fewer than the {size} that are decoded: raise the "
            f"model's input_size to {size} or more, or lower size"
        )


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
