r"""Deep Feature Factorization: the parts that a layer sees in pictures, without a class and without attribution.

Notation: ``A`` activations ``[N, C, h, w]``, as a matrix channels × positions with all images side by side; ``b`` the
minimum of each channel ``[C]``; ``W`` the vectors that concepts add to it ``[C, k]``; ``H`` the heatmaps
``[k, N h w]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.concepts.nmf import NothingToFactorizeError, nmf, reconstruction_error


class DeepFeatures(NamedTuple):
    """What :func:`deep_feature_factorization` gives.

    For each concept only the product of its heatmap and its vector is determined.
    """

    concepts: np.ndarray
    """``[k, C]`` float32: what the layer holds where a heatmap is 1 and all others are 0."""
    heatmaps: np.ndarray
    """``[N, k, h, w]`` float32, not negative: where each concept is, and how much of it."""
    offset: np.ndarray
    """``[C]`` float32: the minimum of each channel, which every concept holds."""
    reconstruction_error: float
    """Part of the activations above the offset that the factorization misses, 0 to 1."""

    @property
    def highest(self) -> np.ndarray:
        """``[k]``: the highest value of each heatmap over all images."""
        return self.heatmaps.max(axis=(0, 2, 3))

    @property
    def shares(self) -> np.ndarray:
        """``[k]`` float64: what each concept adds, over all channels and positions, as a share of what all add."""
        added = (self.concepts - self.offset).sum(axis=1, dtype=np.float64).clip(min=0)
        mass = added * self.heatmaps.sum(axis=(0, 2, 3), dtype=np.float64)
        return mass / max(mass.sum(), np.finfo(np.float64).tiny)


def deep_feature_factorization(
    activations: np.ndarray | Tensor, n_components: int = 5, seed: int = 0, max_iter: int = 200
) -> DeepFeatures:
    r"""Factorize the activations of one or several images into concepts that they share.

    .. math:: A_{n c y x} \approx b_c + \sum_j W_{c j} H_{j (n y x)}, \qquad
        b_c = \min_{n y x} A_{n c y x}, \quad W, H \ge 0

    Args:
        activations: ``[N, C, h, w]``, any unit, also negative; an array or a tensor. It is left as it was.
        n_components: ``k``, at most ``N h w`` and at most ``C``.
        seed: the seed of the random start.
        max_iter: largest number of passes of coordinate descent.

    Returns:
        Concepts ``W + b`` ``[k, C]`` in the unit of ``activations``, heatmaps ``[N, k, h, w]``, offset ``[C]`` and the
        relative error.

    Raises:
        LayerError: the activations have no positions.
        ConfigError: ``n_components`` is below 1, or larger than the number of positions or of channels.
        NothingToFactorizeError: there is no image, or every channel is constant.
        ConceptrastError: some activations are not finite.

    Source: Collins, Achanta and Süsstrunk 2018 (arXiv 1806.10206). The paper factorizes activations after a ReLU as
    they are. The grad-cam package subtracts the channel minimum and adds it back, and it uses a random start with seed
    0; we follow it. The package counts NaN as 0; here it is an error.

    Example:
        >>> activations = np.zeros((1, 3, 2, 2), np.float32)
        >>> activations[0, 0, 0], activations[0, 1, 1] = 2.0, 4.0
        >>> features = deep_feature_factorization(activations, n_components=2)
        >>> features.heatmaps.argmax(axis=1)[0].tolist(), features.shares.round(2).tolist()
        ([[1, 1], [0, 0]], [0.67, 0.33])
        >>> features.reconstruction_error < 1e-3
        True
    """
    # Activations as a matrix, channels × positions.
    if isinstance(activations, Tensor):
        activations = activations.detach().float().cpu().numpy()
    values = np.asarray(activations, dtype=np.float32)
    check_maps(values.shape, n_components)
    if not np.isfinite(values).all():
        raise ConceptrastError("activations are not finite: look for overflow in the model or its precision")
    images, channels, height, width = values.shape
    matrix = values.transpose(1, 0, 2, 3).reshape(channels, -1)

    # What lies above the minimum of each channel.
    offset = matrix.min(axis=1)
    above = matrix - offset[:, None]
    if not above.any():
        what = "constant in every channel" if matrix.any() else "zero everywhere"
        raise NothingToFactorizeError(f"the activations are {what}: there is nothing to factorize")

    # Its factors.
    maps, added = nmf(above, n_components, seed, max_iter, init="random")
    return DeepFeatures(
        concepts=np.ascontiguousarray(added.T) + offset,
        heatmaps=np.ascontiguousarray(maps.reshape(n_components, images, height, width).transpose(1, 0, 2, 3)),
        offset=offset,
        reconstruction_error=reconstruction_error(above, maps, added),
    )


def check_maps(shape: Sequence[int], n_components: int) -> None:
    """Refuse activations of a shape that has no positions, or not enough for a number of concepts.

    Args:
        shape: ``N, C, h, w``.
        n_components: number of concepts.

    Raises:
        LayerError: the activations have no positions.
        NothingToFactorizeError: there is no image.
        ConfigError: ``n_components`` is below 1, or larger than the number of positions or of channels.

    Example:
        >>> check_maps((1, 8, 2, 2), 5)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: 5 concepts are more than the number of positions, 4 (2×2 of one image)
    """
    # The layer has several positions.
    if len(shape) != 4 or shape[2] * shape[3] == 1:
        raise LayerError(
            f"activations {list(shape)} have no spatial extent: choose a layer whose output is [N, C, h, w] with more "
            "than one position"
        )
    # There are as many positions and channels as concepts.
    images, channels, height, width = shape
    positions = images * height * width
    if not positions * channels:
        raise NothingToFactorizeError(f"activations {list(shape)} are empty: there is nothing to factorize")
    if n_components < 1:
        raise ConfigError(f"the number of concepts must be at least 1, got {n_components}")
    if n_components > positions:
        of = f"{height}×{width} of one image" if images == 1 else f"{height}×{width} of each of {images} images"
        raise ConfigError(f"{n_components} concepts are more than the number of positions, {positions} ({of})")
    if n_components > channels:
        raise ConfigError(f"{n_components} concepts are more than the number of channels, {channels}")
