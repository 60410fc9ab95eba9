"""Load the pictures of an index as batches of views. Worker processes can decode them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import Dataset


class Viewer(Protocol):
    """The part of a model's preprocessing that is needed here."""

    def view(self, picture: Image.Image) -> torch.Tensor:
        """The picture as the model sees it: ``[3, H, W]`` uint8."""


class _Views(TorchDataset):
    """Maps a row's number to its image id and view. If the picture cannot be read, the error is returned.

    An error that a worker raises reaches the user wrapped in the worker's traceback; a returned error does not.
    """

    def __init__(self, dataset: Dataset, table: pd.DataFrame, preprocess: Viewer) -> None:
        self.dataset = dataset
        self.preprocess = preprocess
        self.rows = list(table.itertuples(index=False))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[int, np.ndarray] | DataError:
        row: Any = self.rows[number]
        try:
            return row.image, self.preprocess.view(self.dataset.picture(row)).numpy()
        except DataError as error:
            return error


def _collate(items: list[tuple[int, np.ndarray] | DataError]) -> tuple[np.ndarray, np.ndarray] | DataError:
    # arrays go through a pipe; tensors would need shared memory, and containers often have only 64 MB of it
    images = []
    pictures = []
    for item in items:
        if isinstance(item, DataError):
            return item
        images.append(item[0])
        pictures.append(item[1])
    return np.array(images, dtype=np.int64), np.stack(pictures)


def views(
    dataset: Dataset, table: pd.DataFrame, preprocess: Viewer, batch_size: int, workers: int = 0
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Views of the pictures of a table, in its order.

    Args:
        dataset: where the pictures come from.
        table: rows of its index.
        preprocess: makes the view of a picture, e.g. a model's ``Preprocess``.
        batch_size: pictures in a batch; the last may be smaller.
        workers: number of processes that decode; ``0`` decodes in this process. The batches do not depend on it.

    Returns:
        Pairs of image ids ``[n]`` int64 and views ``[n, 3, H, W]`` uint8.

    Raises:
        DataError: a picture cannot be read, or can no longer be read.

    Example:
        >>> from conceptrast.data.dataset import open_dataset
        >>> class Plain:
        ...     def view(self, picture):
        ...         return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())
        >>> dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 5})
        >>> table = dataset.build_index().table
        >>> [(images.tolist(), tuple(batch.shape)) for images, batch in views(dataset, table, Plain(), batch_size=3)]
        [([0, 1, 2], (3, 3, 96, 96)), ([3, 4], (2, 3, 96, 96))]
    """
    loader = DataLoader(
        _Views(dataset, table, preprocess),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator().manual_seed(0),  # otherwise the loader draws from the global state
    )
    for batch in loader:
        if isinstance(batch, DataError):
            raise batch
        images, pictures = batch
        yield images, torch.from_numpy(pictures)
