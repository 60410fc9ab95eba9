"""Decoders of the autoencoder: codes ``[N, 128]`` become pictures ``[N, 3, s, s]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

from torch import Tensor, nn

from conceptrast.bias.encoders import CODE, KERNEL, channels_of

SLOPE = 0.2
"""Slope of the published decoder's leaky ReLU below zero."""


def mirrored_decoder(size: int) -> nn.Sequential:
    """The mirror image of the encoder: channels fall as the picture grows. Pixels are between 0 and 1.

    Example:
        >>> import torch
        >>> mirrored_decoder(8).eval()(torch.zeros(2, 128)).shape
        torch.Size([2, 3, 8, 8])
    """
    widths = channels_of(size)[::-1]
    layers: list[nn.Module] = [nn.Linear(CODE, widths[0], bias=False), nn.BatchNorm1d(widths[0]), nn.ReLU()]
    layers.append(nn.Unflatten(1, (widths[0], 1, 1)))
    for before, width in pairwise(widths):
        grow = nn.ConvTranspose2d(before, width, KERNEL, stride=4, padding=1, output_padding=1, bias=False)
        layers += [grow, nn.BatchNorm2d(width), nn.ReLU()]
    last = nn.ConvTranspose2d(widths[-1], 3, KERNEL, stride=2, padding=2, output_padding=1)
    return nn.Sequential(*layers, last, nn.Sigmoid())


def published_decoder(size: int) -> nn.Sequential:
    """The published decoder: 16 channels at a single position, four times as many whenever the side is quadrupled.

    A linear layer gives the 16 channels. Each 5×5 transposed convolution of stride 4 has batch norm and a leaky ReLU;
    the last one, of stride 2, gives the pixels.

    Args:
        size: side of the pictures in pixels, one of :data:`~conceptrast.bias.comparison.SIZES`.

    Source: La Fisca, *Human-Centered xAI* (thesis, chapter 7), github.com/LucaLaFisca/Human-Centered-xAI. Deviation:
    there, pixels are normalised by ImageNet's mean and standard deviation. Ours are in 0 to 1, see :class:`PixelRange`.

    Example:
        >>> import torch
        >>> decoder = published_decoder(32).eval()
        >>> decoder(torch.zeros(2, 128)).shape
        torch.Size([2, 3, 32, 32])
        >>> [part.out_channels for part in decoder if isinstance(part, nn.ConvTranspose2d)]
        [64, 256, 3]
    """
    widths = channels_of(size)
    layers: list[nn.Module] = [nn.Linear(CODE, widths[0]), nn.Unflatten(1, (widths[0], 1, 1))]
    for before, width in pairwise(widths):
        grow = nn.ConvTranspose2d(before, width, KERNEL, stride=4, padding=2, output_padding=3, bias=False)
        layers += [grow, nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
    last = nn.ConvTranspose2d(widths[-1], 3, KERNEL, stride=2, padding=2, output_padding=1)
    return nn.Sequential(*layers, last, PixelRange())


class PixelRange(nn.Module):
    """Limits pixels to 0 to 1 where pictures are looked at. In training, pixels beyond it keep their gradient.

    Example:
        >>> import torch
        >>> beyond = torch.tensor([-0.5, 0.5, 1.5])
        >>> PixelRange().train()(beyond), PixelRange().eval()(beyond)
        (tensor([-0.5000,  0.5000,  1.5000]), tensor([0.0000, 0.5000, 1.0000]))
    """

    def forward(self, pixels: Tensor) -> Tensor:
        """The pixels themselves in training; otherwise within 0 to 1."""
        return pixels if self.training else pixels.clamp(0, 1)


DECODER_KINDS: Mapping[str, Callable[[int], nn.Sequential]] = {
    "mirrored": mirrored_decoder,
    "published": published_decoder,
}
"""Decoders by their names in a configuration, see :data:`~conceptrast.bias.comparison.DECODERS`."""
