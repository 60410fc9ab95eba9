"""Labelled pictures that a training goes through many times."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.data.dataset import Dataset
from conceptrast.data.loading import views
from conceptrast.models.model import Preprocess

#: Views are kept between epochs if they take at most this many bytes.
MEMORY = 2**30


class TrainingPictures:
    """Views and labels of the rows of an index, in any order, any number of times.

    Views are decoded once and kept as bytes if they fit into ``memory``, and decoded anew each time otherwise. What
    comes out is the same.

    Args:
        dataset: gives the pictures.
        table: rows of its index; labels are read off it.
        preprocess: how pictures become views.
        batch_size: pictures of a batch.
        workers: processes that decode.
        memory: bytes.
    """

    def __init__(
        self,
        dataset: Dataset,
        table: pd.DataFrame,
        preprocess: Preprocess,
        batch_size: int,
        workers: int = 0,
        memory: int = MEMORY,
    ) -> None:
        self.dataset = dataset
        self.table = table.reset_index(drop=True)
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.workers = workers
        self.labels = torch.tensor(self.table["label"].to_numpy(), dtype=torch.long)
        height, width = preprocess.size
        self._fits = len(table) * preprocess.channels * height * width <= memory
        self._kept: Tensor | None = None

    def __len__(self) -> int:
        return len(self.table)

    def batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Views uint8 ``[n, channels, H, W]`` and labels ``[n]`` of the rows at ``order``, ``batch_size`` at a time."""
        if self._fits:
            kept = self._all()
            for rows in order.split(self.batch_size):
                yield kept[rows], self.labels[rows]
            return
        shuffled = self.table.iloc[order.numpy()]
        for rows, batch in zip(order.split(self.batch_size), self._decoded(shuffled), strict=True):
            yield batch, self.labels[rows]

    def _all(self) -> Tensor:
        if self._kept is None:
            shape = (self.preprocess.channels, *self.preprocess.size)
            self._kept = torch.empty((len(self), *shape), dtype=torch.uint8)
            done = 0
            n_batches = -(-len(self) // self.batch_size)
            for batch in progress(self._decoded(self.table), "reading pictures", n_batches, "batches"):
                self._kept[done : done + len(batch)] = batch
                done += len(batch)
        return self._kept

    def _decoded(self, table: pd.DataFrame) -> Iterator[Tensor]:
        """Views of the rows of ``table``, a batch at a time."""
        batches = views(self.dataset, table, self.preprocess, batch_size=self.batch_size, workers=self.workers)
        return (batch for _, batch in batches)
