"""The parts of a comparison of latent spaces, in the order of its files. A plan reads this module without torch."""

from __future__ import annotations

from collections.abc import Iterable

from conceptrast.base.errors import ConfigError

CONDITIONS = ("biased", "control")
"""The datasets: in the first, class 2 is turned further than class 1; in the second, both are turned alike."""

NETWORKS = ("autoencoder", "resnet")

DECODERS = ("mirrored", "published")
"""Decoders of the autoencoder: the mirror image of its encoder, or the published one."""

DIRECTIONS = ("means", "regression")
"""Directions of a latent space: the difference of the class means, as published, and a regression of the label."""

FIGURES = ("cause", "visibility", "maps", *(f"navigation-{condition}" for condition in CONDITIONS))

SIZES = (8, 32, 128, 512)
"""Allowed sides in pixels. A convolution of stride 2 and some of stride 4 reduce them to a single position."""


def trained_networks(seeds: Iterable[int]) -> list[tuple[str, str, int]]:
    """Condition, network and seed of every network of a comparison. The seed changes fastest.

    Example:
        >>> trained_networks([4, 1])[:3]
        [('biased', 'autoencoder', 4), ('biased', 'autoencoder', 1), ('biased', 'resnet', 4)]
    """
    seeds = list(seeds)
    return [(condition, network, seed) for condition in CONDITIONS for network in NETWORKS for seed in seeds]


def check_size(size: int) -> None:
    """Refuse a side that the strides do not reduce to a single position.

    Raises:
        ConfigError: the side is not allowed; the message lists the allowed sides.

    Example:
        >>> check_size(64)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: size 64: strides 2, 4, 4, … bring only 8, 32, 128, 512 pixels to one \
position
    """
    if size not in SIZES:
        allowed = ", ".join(str(side) for side in SIZES)
        raise ConfigError(f"size {size}: strides 2, 4, 4, … bring only {allowed} pixels to one position")
