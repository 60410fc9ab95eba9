"""Rotated pictures whose angles are drawn anew in every epoch, so that a network cannot learn them by heart."""

from __future__ import annotations

import pandas as pd

from conceptrast.base.errors import ConfigError
from conceptrast.base.streams import Stream, generator
from conceptrast.data.dataset import Dataset
from conceptrast.data.rotated_pair import ANGLES, RotatedPair
from conceptrast.models.model import Preprocess
from conceptrast.models.training_pictures import TrainingPictures


class RedrawnPictures(TrainingPictures):
    """Training pictures of a rotated pair; an epoch turns them by angles of its own, from the same ranges.

    By themselves, outside an epoch, they have the angles of the index: pictures that only measure stay the same.

    Args:
        dataset: the rotated pair.
        table: rows of its index.
        preprocess: turns pictures into views.
        batch_size: number of pictures in a batch.
        workers: number of processes that decode.
        seed: the seed of the angles.

    Raises:
        ConfigError: the dataset is of another kind.

    Example:
        >>> from conceptrast.bias.autoencoder import plain_preprocess
        >>> dataset = RotatedPair(train=4, validation=0)
        >>> pictures = RedrawnPictures(dataset, dataset.build_index().table, plain_preprocess(8), batch_size=2)
        >>> first, second = (pictures.of_epoch(epoch).table["rotation"] for epoch in (1, 2))
        >>> first.equals(second), (first > 90).tolist() == (second > 90).tolist() == [False, True, False, True]
        (False, True)
    """

    def __init__(
        self,
        dataset: Dataset,
        table: pd.DataFrame,
        preprocess: Preprocess,
        batch_size: int,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        if not isinstance(dataset, RotatedPair):
            raise ConfigError("angles are drawn anew for datasets of kind rotated_pair alone")
        super().__init__(dataset, table, preprocess, batch_size, workers=workers)
        self.angles = ANGLES["biased" if dataset.biased else "unbiased"]
        self.seed = seed

    def of_epoch(self, epoch: int) -> TrainingPictures:
        """The pictures at the angles of an epoch."""
        draws = generator(Stream.REDRAWN_ROTATIONS, self.seed, epoch).random(len(self.table))
        turned = self.table.assign(rotation=self.angles(draws, self.table["label"].to_numpy()))
        # An epoch sees each picture once: keeping the views would gain nothing.
        return TrainingPictures(self.dataset, turned, self.preprocess, self.batch_size, workers=self.workers, memory=0)


def training_pictures(
    dataset: Dataset,
    table: pd.DataFrame,
    preprocess: Preprocess,
    batch_size: int,
    workers: int = 0,
    redraw_seed: int | None = None,
) -> TrainingPictures:
    """Pictures to learn from: at the angles of the index, or with a seed at other angles in every epoch.

    Args:
        dataset, table, preprocess, batch_size, workers: as for :class:`RedrawnPictures`.
        redraw_seed: the seed of the angles; ``None`` leaves them as they are.
    """
    if redraw_seed is None:
        return TrainingPictures(dataset, table, preprocess, batch_size, workers=workers)
    return RedrawnPictures(dataset, table, preprocess, batch_size, workers=workers, seed=redraw_seed)
