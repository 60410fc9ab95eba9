"""What a comparison of latent spaces consists of, in the order of its files; a plan reads it without torch."""

from __future__ import annotations

from collections.abc import Iterable

from conceptrast.base.errors import ConfigError

CONDITIONS = ("biased", "control")
"""The datasets: class 2 turned further than class 1, and both turned alike."""

NETWORKS = ("autoencoder", "resnet")

FIGURES = ("maps", "rotations", *(f"navigation-{condition}" for condition in CONDITIONS))

SIZES = (8, 32, 128, 512)
"""Sides in pixels: one convolution of stride 2 and any number of stride 4 bring them to a single position."""


def trained_networks(seeds: Iterable[int]) -> list[tuple[str, str, int]]:
    """Condition, network and seed of every network of a comparison, the last fastest.

    Example:
        >>> trained_networks([4, 1])[:3]
        [('biased', 'autoencoder', 4), ('biased', 'autoencoder', 1), ('biased', 'resnet', 4)]
    """
    seeds = list(seeds)
    return [(condition, network, seed) for condition in CONDITIONS for network in NETWORKS for seed in seeds]


def check_size(size: int) -> None:
    """Refuse a side that the strides do not bring to a single position.

    Raises:
        ConfigError: the message lists those that they do.

    Example:
        >>> check_size(64)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: size 64: strides 2, 4, 4, … bring only 8, 32, 128, 512 pixels to one \
position
    """
    if size not in SIZES:
        allowed = ", ".join(str(side) for side in SIZES)
        raise ConfigError(f"size {size}: strides 2, 4, 4, … bring only {allowed} pixels to one position")
