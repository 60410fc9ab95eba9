"""Sizes of pictures that the adversarial autoencoder can take; apart from it so that a plan need not import torch."""

from __future__ import annotations

from conceptrast.errors import ConfigError

SIZES = (8, 32, 128, 512)
"""Sides in pixels: one convolution of stride 2 and any number of stride 4 bring them to a single position."""


def check_size(size: int) -> None:
    """Refuse a side that the strides do not bring to a single position.

    Raises:
        ConfigError: the message lists those that they do.

    Example:
        >>> check_size(64)
        Traceback (most recent call last):
        conceptrast.errors.ConfigError: size 64: strides 2, 4, 4, … bring only 8, 32, 128, 512 pixels to one position
    """
    if size not in SIZES:
        allowed = ", ".join(str(side) for side in SIZES)
        raise ConfigError(f"size {size}: strides 2, 4, 4, … bring only {allowed} pixels to one position")
