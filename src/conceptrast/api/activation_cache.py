"""Activations that a study keeps, so that a second question does not run the prefix again.

They are kept batch by batch and not picture by picture. A picture's activations may differ in their last bit if the
other pictures of the batch differ, and a study's answers must not depend on earlier questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from conceptrast.base.errors import ConfigError
from conceptrast.base.progress import progress
from conceptrast.models.activations import activations_of
from conceptrast.models.model import Model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

#: A cut network, a precision, and the ids of the pictures of a batch.
Key = tuple[SplitModel, str, bytes]


class ActivationCache:
    """Activations of batches, as many as fit into a number of bytes.

    Kept activations stay. A stream that is too long is kept from its start, as far as it fits. Only activations of
    another layer are removed to make room, the oldest first.

    Args:
        limit: bytes; 0 keeps nothing.

    Raises:
        ConfigError: the limit is below 0.

    Example:
        >>> import torch
        >>> split = SplitModel(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()).eval(), "0")
        >>> cache = ActivationCache(limit=8)
        >>> cache.keep((split, "float32", b"one"), torch.zeros(2))
        >>> cache.keep((split, "float32", b"two"), torch.zeros(2))
        >>> cache.get((split, "float32", b"one")), cache.get((split, "float32", b"two")), cache.size
        (tensor([0., 0.]), None, 8)
    """

    def __init__(self, limit: int) -> None:
        if limit < 0:
            raise ConfigError(f"cache_bytes must be at least 0, got {limit}: 0 keeps no activations")
        self.limit = limit
        self.size = 0
        self._batches: dict[Key, Tensor] = {}

    def get(self, key: Key) -> Tensor | None:
        """The activations of a batch, if they are kept."""
        return self._batches.get(key)

    def keep(self, key: Key, activations: Tensor) -> None:
        """Keep the activations of a batch if there is room, or if other layers can make some."""
        same_layer = (batch.nbytes for kept, batch in self._batches.items() if kept[0] is key[0])
        room = self.limit - sum(same_layer)
        if activations.nbytes > room or key in self._batches:
            return
        while self.size + activations.nbytes > self.limit:
            oldest = next(kept for kept in self._batches if kept[0] is not key[0])
            self.size -= self._batches.pop(oldest).nbytes
        self._batches[key] = activations
        self.size += activations.nbytes


@dataclass(frozen=True)
class KeptPictures(Pictures):
    """Pictures whose activations are kept.

    Args:
        cache: the cache where the activations are kept.
    """

    cache: ActivationCache = field(default_factory=lambda: ActivationCache(0))

    def of(self, images: np.ndarray, what: str = "") -> KeptBatches:
        """As :meth:`~conceptrast.models.pictures.Pictures.of`; pictures are read when their views are asked for."""
        return KeptBatches(self, np.asarray(images, np.int64), what)

    def views(self, images: np.ndarray, what: str = "") -> Iterator[tuple[np.ndarray, Tensor]]:
        """Ids and views, whether or not activations are kept."""
        return super().of(images, what)


class KeptBatches(Iterator[tuple[np.ndarray, Tensor]]):
    """Ids and views of pictures, batch by batch. Kept activations are returned without reading the views.

    Args:
        pictures: where the views come from, and where activations are kept.
        images: ids ``[N]``.
        what: is being done with them, for the progress.
    """

    def __init__(self, pictures: KeptPictures, images: np.ndarray, what: str) -> None:
        self.pictures = pictures
        self.images = images
        self.what = what
        self._views = self._read()

    def __next__(self) -> tuple[np.ndarray, Tensor]:
        return next(self._views)

    def _read(self) -> Iterator[tuple[np.ndarray, Tensor]]:
        yield from self.pictures.views(self.images, self.what)

    def activations(self, model: Model, split: SplitModel, precision: str) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Ids and activations, as :func:`~conceptrast.models.activations.activations_of` gives them."""
        size = self.pictures.batch_size
        batches = [self.images[start : start + size] for start in range(0, len(self.images), size)]
        keys: list[Key] = [(split, precision, images.tobytes()) for images in batches]
        kept = [self.pictures.cache.get(key) for key in keys]
        missing = [images for images, activations in zip(batches, kept, strict=True) if activations is None]
        # Only the last batch may be smaller, so missing batches give the same results as in a full run.
        views = self.pictures.views(np.concatenate([np.empty(0, np.int64), *missing]))
        computed = activations_of(model, split, views, precision)
        stream = zip(batches, keys, kept, strict=True)
        for images, key, activations in progress(stream, self.what, len(batches), "batches") if self.what else stream:
            if activations is None:
                _, activations = next(computed)
                self.pictures.cache.keep(key, activations)
            yield images, activations
