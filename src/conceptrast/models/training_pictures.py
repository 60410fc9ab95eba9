"""Labelled pictures for a training, which goes through them many times."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.data.dataset import Dataset
from conceptrast.data.loading import views
from conceptrast.models.model import Preprocess

#: Views stay in memory between epochs if they take at most this many bytes.
MEMORY = 2**30


class TrainingPictures:
    """Views and labels of the rows of an index, in any order, any number of times.

    If the views fit into ``memory``, they are decoded once and kept as bytes. Otherwise they are decoded anew each
    time. The views are the same either way.

    Args:
        dataset: the dataset that has the pictures.
        table: rows of its index, with the labels.
        preprocess: turns pictures into views.
        batch_size: number of pictures in a batch.
        workers: number of processes that decode.
        memory: largest number of bytes to keep.
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

    def of_epoch(self, epoch: int) -> TrainingPictures:  # noqa: ARG002 - a kind whose pictures change looks at it
        """The pictures of an epoch (1-based): the same in every one, unless a kind of pictures draws them anew."""
        return self

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

    def in_order(self) -> Iterator[Tensor]:
        """Views uint8 ``[n, channels, H, W]`` of all pictures in the order of the table, ``batch_size`` at a time."""
        return (batch for batch, _ in self.batches(torch.arange(len(self))))

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
