"""Noisy copies of images. Each image's noise depends on the seed and its own id, not on its batch or on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConfigError
from conceptrast.base.streams import Stream, drawn_seeds


@dataclass(frozen=True)
class Smoothing:
    """How noisy copies of images are made, and how many run at once.

    Args:
        samples: number S of noisy copies of each image; 0 takes the image itself.
        noise: standard deviation σ in normalised units; 0 takes the image itself, once.
        seed: seed of the noise.
        batch_size: number of copies that run at once; all copies of one image always run together.

    Raises:
        ConfigError: the number of samples or the noise is negative.

    Example:
        >>> smoothing = Smoothing(samples=2, noise=1.0)
        >>> images = torch.zeros(2, 3, 4, 4)
        >>> both = smoothing.noisy(images, smoothing.draw(np.array([7, 8]), (3, 4, 4)))
        >>> alone = smoothing.noisy(images[1:], smoothing.draw(np.array([8]), (3, 4, 4)))
        >>> both.shape, torch.equal(both[1:], alone)
        (torch.Size([2, 2, 3, 4, 4]), True)
    """

    samples: int = 5
    noise: float = 0.25
    seed: int = 0
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.samples < 0:
            raise ConfigError(f"samples is {self.samples}; it needs to be 0 (no noise) or more")
        if self.noise < 0:
            raise ConfigError(f"noise is {self.noise}; a standard deviation is 0 (no noise) or more")

    def chunks(self, batches: Iterable[tuple[np.ndarray, Tensor]]) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
        """Ids ``[n]``, images ``[n, …]`` and their noise, of as many images as run at once, in the order of batches.

        Example:
            >>> batches = [(np.arange(3), torch.zeros(3, 1, 2, 2))]
            >>> [(ids.tolist(), drawn.shape) for ids, _, drawn in Smoothing(samples=2, batch_size=4).chunks(batches)]
            [([0, 1], torch.Size([2, 2, 1, 2, 2])), ([2], torch.Size([1, 2, 1, 2, 2]))]
        """
        size = max(1, self.batch_size // max(1, self.samples if self.noise > 0 else 1))
        for ids, images in batches:
            for start in range(0, len(ids), size):
                rows = slice(start, start + size)
                yield ids[rows], images[rows], self.draw(ids[rows], images.shape[1:])

    def draw(self, image_ids: np.ndarray, shape: Sequence[int]) -> Tensor:
        """Standard normal noise ``[N, S, *shape]`` on the CPU, or ``[N, 0]`` if images are taken as they are."""
        if self.samples == 0 or self.noise == 0:
            return torch.empty(len(image_ids), 0)
        drawn = torch.empty(len(image_ids), self.samples, *shape)
        seeds = [drawn_seeds(Stream.ATTRIBUTION_NOISE, self.seed, int(image))[0] for image in image_ids]
        # torch draws with one thread, so each thread draws an image's noise.
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            list(threads.map(_fill, drawn, seeds))
        return drawn

    def noisy(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Noisy copies ``[N, S, C, H, W]`` of images ``[N, C, H, W]``; the images ``[N, 1, C, H, W]`` without noise."""
        if drawn.ndim == 2:
            return images.unsqueeze(1)
        return images.unsqueeze(1) + self.noise * drawn.to(images.device, images.dtype, non_blocking=True)


def _fill(values: Tensor, drawn: int) -> None:
    torch.randn(values.shape, generator=torch.Generator().manual_seed(int(drawn)), out=values)
