"""The concepts of one's own pictures by Deep Feature Factorization, from Python.

The same functions as the workflow's step, in memory.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.errors import ConfigError
from conceptrast.explain import as_model
from conceptrast.figures.dff import dff_sheet, draw_dff
from conceptrast.inference import autocast
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel, last_spatial_layer
from conceptrast.pictures import Pictures
from conceptrast.saliency.deep_feature_factorization import Factorized, arrays_of, factorize_pictures
from conceptrast.saliency.dff_table import concept_rows


@dataclass(frozen=True)
class FactorizedPictures:
    """What :func:`dff_of` found.

    Attributes:
        model_name: the model.
        layer: where it was looked into.
        names: of the pictures.
        views: ``[N, c, H, W]`` uint8, what the model sees of them.
        groups: what was found in the pictures that were factorized together: all of them, or one each.
    """

    model_name: str
    layer: str
    names: Sequence[str]
    views: Tensor
    groups: Sequence[Factorized]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """As :func:`~conceptrast.saliency.deep_feature_factorization.arrays_of` gives them."""
        return arrays_of(self.groups)

    @property
    def concepts(self) -> dict[int, np.ndarray]:
        """By number of concepts ``[F, k, C]``: F is 1 where all pictures share them, else the number of pictures."""
        return {k: self.arrays[f"concepts_k{k}"] for k in self._numbers()}

    @property
    def heatmaps(self) -> dict[int, np.ndarray]:
        """By number of concepts ``[N, k, h, w]``."""
        return {k: self.arrays[f"heatmaps_k{k}"] for k in self._numbers()}

    def _numbers(self) -> list[int]:
        return sorted({k for group in self.groups for k in group.features})

    def table(self) -> pd.DataFrame:
        """One row a concept and rank: picture, and the columns of
        :func:`~conceptrast.saliency.deep_feature_factorization.concept_scores`."""
        return concept_rows(self.groups, self.names)

    def plot(self, number: int = 0) -> Figure:
        """The concepts over the pictures, as the workflow draws them.

        Args:
            number: of the picture, from 0, where each was factorized by itself.

        Raises:
            ConfigError: there is no such picture.
        """
        if not 0 <= number < len(self.groups):
            raise ConfigError(f"there is no figure {number}: there are {len(self.groups)}, from 0")
        group = self.groups[number]
        alone = len(group.images) == 1
        views = self.views[number : number + 1] if alone else self.views
        title = f"concepts of {Path(self.names[number]).stem if alone else f'{len(self.names)} pictures'}"
        return draw_dff(dff_sheet(group, views, title, f"{self.model_name} at {self.layer}"))

    def __str__(self) -> str:
        together = "sharing their concepts" if len(self.groups) < len(self.names) else "each by itself"
        count = "1 picture" if len(self.names) == 1 else f"{len(self.names)} pictures, {together}"
        lines = [f"concepts at {self.layer} of {self.model_name}: {count}"]
        for (picture, k), rows in self.table().groupby(["picture", "n_components"], sort=False):
            first = rows[rows["rank"] == 1].to_dict("records")
            missed = f"{100 * first[0]['reconstruction_error']:.0f} % missed" if first else rows["reason"].iloc[0]
            lines += [f"  {picture}, {k} concepts: {missed}", *map(_line, first)]
        return "\n".join(lines)


def _line(row: dict[Hashable, Any]) -> str:
    """One concept in words."""
    suffix = f"suffix {row['suffix_class']} {row['suffix_score']:.2f}"
    blur = f", blur {row['blur_class']} {row['blur_score']:.2f}" if row["status"] == "ok" else f", {row['reason']}"
    return f"    {row['concept']}: {100 * row['share']:.0f} %, {suffix}{blur}"


def dff_of(
    model: Model | nn.Module,
    images: AnyPictures,
    layer: str | None = None,
    n_components: Sequence[int] = (2, 5, 10),
    *,
    shared: bool = True,
    seed: int = 0,
    precision: str = "float32",
    batch_size: int = 32,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> FactorizedPictures:
    """Find the concepts that a layer holds of pictures, and which classes each of them speaks for.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: a folder (any nesting), a list of files, a list of PIL images, or a dataset and rows of its index. All
            of them are in memory.
        layer: whose activations are factorized; the last one that has positions if ``None``.
        n_components: numbers of concepts; each is one row of the figure.
        shared: whether the pictures share their concepts, or each has its own.
        seed: of the random starts and of the random places that are blurred for comparison.
        precision: ``float32`` or ``bfloat16``.
        batch_size: pictures in a batch.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Returns:
        Concepts and heatmaps as arrays; ``.table()`` scores them in three ways, ``.plot()`` draws them.

    Raises:
        ModelError: a bare network without ``preprocess``.
        LayerError: there is no such layer, or its activations have no positions.
        ConfigError: a number of concepts that is not possible, or an unknown precision.
        DataError: no usable picture.

    Source: see :mod:`conceptrast.factorization.dff` and :mod:`conceptrast.saliency.deep_feature_factorization`.

    Example:
        >>> from PIL import Image
        >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> picture = Image.new("RGB", (16, 16), "red")
        >>> picture.paste("blue", (0, 8, 16, 16))
        >>> found = dff_of(network, [picture], "1", [2], preprocess=Preprocess(16, 16, (0.0,) * 3, (0.1,) * 3),
        ...     class_names=["red", "green", "blue"])
        >>> sorted(found.table().query("rank == 1")["suffix_class"]), found.heatmaps[2].shape
        (['blue', 'red'], (1, 2, 4, 4))
    """
    whole = as_model(model, preprocess, class_names)
    autocast(precision)
    split = SplitModel(whole, last_spatial_layer(whole) if layer is None else layer)
    dataset, table = as_dataset(images)
    pictures = Pictures(dataset, table, whole, batch_size)
    ids = table["image"].to_numpy(np.int64)
    views = torch.cat([batch for _, batch in pictures.of(ids)])
    found = factorize_pictures(whole, split, ids, views, n_components, shared, seed, precision, batch_size)
    return FactorizedPictures(whole.name, split.layer, table["path"].astype(str).tolist(), views, list(found))
