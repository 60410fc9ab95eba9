"""The concepts of one's own pictures by Deep Feature Factorization, from Python.

The same functions as the workflow's step, in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from conceptrast.api.explain import as_model
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.dff.factorized_pictures import FactorizedPictures, PictureCaptions, factorized_pictures
from conceptrast.dff.picture_groups import FactorizationOptions
from conceptrast.figures.dff import dff_sheet, draw_dff
from conceptrast.models.inference import autocast
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import last_spatial_layer


class PictureConcepts(FactorizedPictures):
    """What :func:`dff_of` gives: pictures, their concepts and their figures."""

    def plot(self, number: int = 0) -> Figure:
        """The concepts over the pictures, as the workflow draws them.

        Args:
            number: of the picture, from 0, where each was factorized by itself.

        Raises:
            ConfigError: there is no such picture.
        """
        return draw_dff(dff_sheet(self.view(number)))


def dff_of(
    model: Model | nn.Module,
    images: AnyPictures,
    layer: str | None = None,
    n_components: int | Sequence[int] = (2, 5, 10),
    *,
    shared: bool = True,
    seed: int = 0,
    precision: str = "float32",
    batch_size: int = 32,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> PictureConcepts:
    """Find the concepts that a layer holds of pictures, and which classes each of them speaks for.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index. All of them are in memory.
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

    Source: see :mod:`conceptrast.dff.factorization` and :mod:`conceptrast.dff.concept_scores`.

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
    autocast(precision)  # refuses an unknown precision before anything is read
    where = last_spatial_layer(whole) if layer is None else layer
    numbers = [n_components] if isinstance(n_components, int) else list(n_components)
    dataset, table = as_dataset(images)
    names, ids = table["path"].astype(str).tolist(), table["image"].to_numpy(np.int64)
    captions = PictureCaptions(names, labels=[Path(name).stem for name in names], title=f"{len(names)} pictures")
    options = FactorizationOptions(numbers, shared=shared, seed=seed, precision=precision)
    result = factorized_pictures(Pictures(dataset, table, whole, batch_size), ids, where, captions, options)
    return PictureConcepts(**{field.name: getattr(result, field.name) for field in fields(result)})
