"""Batches for a model, prepared beside its device's work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

Batch = TypeVar("Batch", bound=tuple[Any, ...])


def prepared(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches in the same order; while one is in use, a thread makes the next ready for ``device``.

    The thread takes the batch from ``batches``, which may decode pictures or draw noise, and puts its tensors into
    pinned memory, from which a GPU copies without waiting. On a CPU nothing is done, because the thread would take the
    processor from the network.

    Args:
        batches: tuples, e.g. of image ids and views.
        device: where the batches will be used.

    Raises:
        Exception: whatever ``batches`` raises, where the caller asks for that batch.

    Example:
        >>> [tensor.tolist() for tensor, in prepared([(torch.ones(1),), (torch.zeros(1),)], torch.device("cpu"))]
        [[1.0], [0.0]]
    """
    return iter(batches) if device.type == "cpu" else one_ahead(pinned(batches))


def pinned(batches: Iterable[Batch]) -> Iterator[Any]:
    """The same batches with their tensors in pinned memory, which needs a GPU; tensors on a device stay there."""
    for batch in batches:
        yield tuple(part.pin_memory() if _on_the_cpu(part) else part for part in batch)


def one_ahead(items: Iterable[Batch]) -> Iterator[Batch]:
    """The same items in the same order; a thread takes each from ``items`` while the one before it is in use.

    If the caller stops early, at most one item more has been taken, and the thread ends. An error of ``items`` is
    raised where the caller asks for that item.

    Example:
        >>> list(one_ahead((number,) for number in range(3)))
        [(0,), (1,), (2,)]
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        coming = thread.submit(next, source, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, source, None)
            yield item


def _on_the_cpu(part: object) -> bool:
    return isinstance(part, Tensor) and part.device.type == "cpu"
