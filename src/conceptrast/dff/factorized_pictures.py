"""Pictures with the concepts that a layer holds of them: what the workflow's step and ``Study.dff`` both give."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from conceptrast.base.errors import ConfigError
from conceptrast.data.selection import class_images, first_of_labels
from conceptrast.dff.deep_feature_factorization import Factorized, arrays_of, factorize_pictures
from conceptrast.dff.table import ALL, concept_rows, picture_names
from conceptrast.figures.canvas import short
from conceptrast.figures.dff import dff_sheet, draw_dff
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel


@dataclass(frozen=True)
class FactorizedPictures:
    """Pictures and what was found in them.

    Attributes:
        source: model and layer, in words.
        title: what the pictures are, all of them together.
        names: of the pictures, each its own.
        shown: what each picture is called in the title of its figure.
        views: ``[N, c, H, W]`` uint8, what the model sees of them.
        groups: what was found in the pictures that were factorized together: all of them, or one each.
    """

    source: str
    title: str
    names: Sequence[str]
    shown: Sequence[str]
    views: Tensor
    groups: Sequence[Factorized]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """As :func:`~conceptrast.dff.deep_feature_factorization.arrays_of` gives them."""
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

    @property
    def figures(self) -> list[str]:
        """Name of each figure: of the picture it shows, or :data:`~conceptrast.dff.table.ALL`."""
        return picture_names(self.groups, self.names)

    def table(self) -> pd.DataFrame:
        """One row a concept and rank: picture, and the columns of
        :func:`~conceptrast.dff.concept_scores.concept_scores`."""
        return concept_rows(self.groups, self.names)

    def plot(self, number: int = 0) -> Figure:
        """The concepts over the pictures.

        Args:
            number: of the picture, from 0, where each was factorized by itself.

        Raises:
            ConfigError: there is no such picture.
        """
        if not 0 <= number < len(self.groups):
            raise ConfigError(f"there is no figure {number}: there are {len(self.groups)}, counted from 0")
        together = self.figures[number] == ALL
        views = self.views if together else self.views[number : number + 1]
        title = f"concepts of {self.title if together else self.shown[number]}"
        return draw_dff(dff_sheet(self.groups[number], views, title, self.source))

    def __str__(self) -> str:
        together = "sharing their concepts" if len(self.groups) < len(self.names) else "each by itself"
        count = "1 picture" if len(self.names) == 1 else f"{len(self.names)} pictures, {together}"
        lines = [f"{self.source}: {count}"]
        for (picture, k), rows in self.table().groupby(["picture", "n_components"], sort=False):
            first = rows[rows["rank"] == 1].to_dict("records")
            missed = f"{100 * first[0]['reconstruction_error']:.0f} % missed" if first else rows["reason"].iloc[0]
            lines += [f"  {picture}, {k} concepts: {missed}", *map(_line, first)]
        return "\n".join(lines)


def _line(row: dict[Hashable, Any]) -> str:
    """One concept in words."""
    suffix = f"suffix {row['suffix_class']} {row['suffix_score']:.2f}"
    blur = row["reason"]
    if row["status"] == "ok":
        drop, chance = -row["blur_score"], -row["blur_chance"]
        blur = f"blurred: {row['blur_class']} {drop:+.2f}, a region elsewhere {chance:+.2f}"
    return f"    {row['concept']}: {100 * row['share']:.0f} %, {suffix}, {blur}"


def factorized(
    pictures: Pictures,
    images: np.ndarray,
    layer: str,
    n_components: Sequence[int],
    names: Sequence[str],
    shown: Sequence[str],
    title: str,
    shared: bool,
    seed: int = 0,
    precision: str = "float32",
) -> FactorizedPictures:
    """Factorize what a layer holds of some pictures of a dataset, and score the concepts.

    Args:
        pictures: images and model.
        images: ``[N]`` ids, at least one; all of them are in memory.
        layer: where the model is cut.
        n_components: numbers of concepts.
        names: of the images, each its own.
        shown: what each image is called in the title of its figure.
        title: what the images are, all of them together.
        shared: whether they share their concepts, or each has its own.
        seed: of the random starts and the random places.
        precision: ``float32`` or ``bfloat16``.

    Raises:
        As :func:`~conceptrast.dff.deep_feature_factorization.factorize_pictures`; LayerError also if there is no
        such layer.
    """
    model, split = pictures.model, SplitModel(pictures.model, layer)
    views = torch.cat([batch for _, batch in pictures.of(images)])
    groups = factorize_pictures(
        model, split, images, views, n_components, shared, seed, precision, pictures.batch_size
    )  # fmt: skip
    return FactorizedPictures(f"{model.name} at {layer}", title, names, shown, views, list(groups))


def labelled_pictures(pictures: Pictures, most: int, labels: Sequence[str] | None = None) -> tuple[np.ndarray, str]:
    """A few validation pictures of every label, whatever the model says of them.

    Args:
        pictures: images and model.
        most: largest number of images.
        labels: names of labels to look at; all if ``None``.

    Returns:
        Image ids ``[n]`` as :func:`~conceptrast.data.selection.first_of_labels` orders them, and what they are, in
        words.

    Raises:
        ConfigError: a label that no validation picture has.
    """
    what = "validation pictures" if labels is None else f"pictures of {', '.join(map(short, labels))}"
    return first_of_labels(pictures.table, most, labels), what


def predicted_pictures(
    pictures: Pictures, predictions: pd.DataFrame, target: str | int, most: int, seed: int = 0
) -> tuple[np.ndarray, str]:
    """Pictures that the model names as a class, whatever their label.

    Args:
        pictures: images and model.
        predictions: columns image, predicted.
        target: the class, by name or index.
        most: largest number of images, drawn by :func:`~conceptrast.data.selection.class_images`.
        seed: of the draw.

    Returns:
        Image ids ``[n]``, none where nothing is named so, and what they are, in words.

    Raises:
        ConfigError: there is no such class.
    """
    model = pictures.model
    wanted = model.class_index(target)
    chosen, _ = class_images(predictions, 1, most, seed, len(model.class_names), [wanted])
    return chosen.get(wanted, np.empty(0, np.int64)), f"pictures predicted as {short(model.class_names[wanted])}"
