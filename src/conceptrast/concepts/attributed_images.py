"""The attributed images of a study, read from the files of all shards, and their activations, class by class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.files import read_arrays

WEIGHING = ("rectified", "multiplier", "linear_share")
"""Arrays of attributed images that the weights of their activations are made of."""


def read_attributions(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """The attributions of all shards together.

    Args:
        paths: a file for each shard.

    Returns:
        Arrays image ``[M]``, target ``[M]``, raw, rectified, multiplier and linear_share, ordered by class and image.
        The order does not depend on the shards.
    """
    shards = [read_arrays(path) for path in paths]
    names = ("image", "target", "raw", *WEIGHING)
    joined = {
        name: np.concatenate([shard[name] for shard in shards if len(shard["image"])] or [shards[0][name]])
        for name in names
    }
    order = np.lexsort((joined["image"], joined["target"]))
    return {name: values[order] for name, values in joined.items()}


def weighing(attribution: Mapping[str, np.ndarray], rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """What the weights of some images are made of: those of :data:`WEIGHING` that are there.

    Args:
        attribution: arrays of attributed images, by name.
        rows: which of the images.

    Example:
        >>> weighing({"multiplier": np.array([[1.0], [2.0]]), "image": np.array([5, 8])}, np.array([1]))
        {'multiplier': array([[2.]])}
    """
    return {name: attribution[name][rows] for name in WEIGHING if name in attribution}


def by_class(batches: Iterable[tuple[np.ndarray, Tensor]], targets: np.ndarray) -> Iterator[tuple[int, Tensor, slice]]:
    """Gather a stream of activations, ordered by class, into one item per class.

    Args:
        batches: pairs of image ids ``[n]`` and activations ``[n, C, h, w]``.
        targets: ``[M]`` class of each image of the stream.

    Returns:
        For each class its index, its activations ``[m, C, h, w]`` and its place in the stream. Only one class is in
        memory at a time.

    Example:
        >>> batches = [(np.array([7, 8]), torch.zeros(2, 1, 1, 1)), (np.array([9]), torch.zeros(1, 1, 1, 1))]
        >>> [(target, len(values), place) for target, values, place in by_class(batches, np.array([0, 4, 4]))]
        [(0, 1, slice(0, 1, None)), (4, 2, slice(1, 3, None))]
    """
    parts: list[Tensor] = []
    first = count = 0
    for _, activations in batches:
        start = 0
        for at in range(len(activations)):
            last = count + 1 == len(targets) or targets[count + 1] != targets[count]
            count += 1
            if last:
                parts.append(activations[start : at + 1])
                yield int(targets[count - 1]), torch.cat(parts), slice(first, count)
                parts = []
                first = count
                start = at + 1
        if start < len(activations):
            parts.append(activations[start:])
