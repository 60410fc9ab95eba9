"""A dataset's pictures by image id, as a model sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.data.dataset import Dataset
from conceptrast.data.loading import views
from conceptrast.models.model import Model


@dataclass(frozen=True)
class Pictures:
    """Views of any images of an index, by id.

    Args:
        dataset: the dataset that has the pictures.
        table: the dataset's index.
        model: its preprocessing turns pictures into views.
        batch_size: number of pictures in a batch.
        workers: number of processes that decode.

    Example:
        >>> from conceptrast.data.dataset import open_dataset
        >>> from conceptrast.models import load_model
        >>> dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 5})
        >>> model = load_model("resnet10", class_names=dataset.class_names)
        >>> pictures = Pictures(dataset, dataset.build_index().table, model, batch_size=2)
        >>> [(ids.tolist(), tuple(batch.shape)) for ids, batch in pictures.of(np.array([4, 0, 2]))]
        [([4, 0], (2, 3, 96, 96)), ([2], (1, 3, 96, 96))]
    """

    dataset: Dataset
    table: pd.DataFrame
    model: Model
    batch_size: int = 32
    workers: int = 0

    def of(self, images: np.ndarray, what: str = "") -> Iterator[tuple[np.ndarray, Tensor]]:
        """Batches of ids ``[n]`` and views uint8 ``[n, 3, H, W]``, in the order of ``images``.

        If ``what`` is given, progress is logged; ``what`` says what is being done with the views.
        """
        rows = self._by_image.loc[np.asarray(images)]
        batches = views(self.dataset, rows, self.model.preprocess, batch_size=self.batch_size, workers=self.workers)
        return progress(batches, what, -(-len(rows) // self.batch_size), "batches") if what else batches

    def stacked(self, images: np.ndarray) -> Tensor:
        """Views uint8 ``[n, 3, H, W]`` in the order of ``images``."""
        preprocess = self.model.preprocess
        batches = [batch for _, batch in self.of(images)] if len(images) else []
        return torch.cat([torch.empty((0, preprocess.channels, *preprocess.size), dtype=torch.uint8), *batches])

    @cached_property
    def _by_image(self) -> pd.DataFrame:
        """The index, whose rows are found by image id. With many images it takes longer to make than a view."""
        return self.table.set_index("image", drop=False)

    def by_id(self, images: np.ndarray) -> dict[int, Tensor]:
        """Views uint8 ``[3, H, W]`` by image id."""
        return {int(image): view for ids, batch in self.of(images) for image, view in zip(ids, batch, strict=True)}
