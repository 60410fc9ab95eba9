"""The encoder of the autoencoder from scratch: a chain of convolutions that ends at a single position."""

from __future__ import annotations

from torch import nn

CODE = 128
"""Places of a code."""
FIRST_CHANNELS = 16
KERNEL = 5


def channels_of(size: int) -> list[int]:
    """Channels after each convolution: 16 at half the size, then four times as many whenever the size is quartered.

    Example:
        >>> channels_of(32)
        [16, 64, 256]
    """
    widths = [FIRST_CHANNELS]
    side = size // 2
    while side > 1:
        widths.append(4 * widths[-1])
        side //= 4
    return widths


def encoder_of(size: int) -> nn.Sequential:
    """An encoder of pictures ``[N, 3, size, size]`` into codes ``[N, 128]``, with torch's random weights.

    Example:
        >>> import torch
        >>> encoder_of(8).eval()(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 128])
    """
    layers: list[nn.Module] = []
    before = 3
    for number, width in enumerate(channels_of(size)):
        stride, padding = (4, 1) if number else (2, 2)  # so that every row and column of pixels is seen
        shrink = nn.Conv2d(before, width, KERNEL, stride=stride, padding=padding, bias=False)
        layers += [shrink, nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.Flatten(), *code_layers(before))


def code_layers(features: int) -> list[nn.Module]:
    """The last layers of every encoder: features ``[N, F]`` become codes ``[N, 128]`` that are not negative.

    Example:
        >>> [type(layer).__name__ for layer in code_layers(64)]
        ['Linear', 'BatchNorm1d', 'ReLU']
    """
    return [nn.Linear(features, CODE, bias=False), nn.BatchNorm1d(CODE), nn.ReLU()]
