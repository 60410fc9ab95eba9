"""Factorized pictures of a dataset: their concepts as arrays, as a table, and as views for figures."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ConfigError
from conceptrast.dff.cards import GroupView, group_view
from conceptrast.dff.concept_rows import ALL_PICTURES, concept_rows, picture_names
from conceptrast.dff.known_things import COLUMNS, KnownThings
from conceptrast.dff.picture_groups import FactorizationOptions, PictureGroup, arrays_of, factorize_pictures
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

KEYS = ["picture", "n_components", "concept", "rank"]


@dataclass(frozen=True)
class PictureCaptions:
    """The names and titles of pictures.

    Attributes:
        names: the names of the pictures, no two alike. Figures and tables use them.
        labels: the labels of the pictures, for the titles of their figures.
        title: what all of them are.
    """

    names: Sequence[str]
    labels: Sequence[str]
    title: str


@dataclass(frozen=True)
class FactorizedPictures:
    """Pictures and their concepts.

    Attributes:
        source: model and layer, in words.
        captions: what the pictures are called.
        views: ``[N, c, H, W]`` uint8, the pictures as the model sees them.
        groups: the pictures that were factorized together, with their concepts: one group of all pictures, or one
            group for each picture.
    """

    source: str
    captions: PictureCaptions
    views: Tensor
    groups: Sequence[PictureGroup]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """As :func:`~conceptrast.dff.picture_groups.arrays_of` gives them."""
        return arrays_of(self.groups)

    @property
    def concepts(self) -> dict[int, np.ndarray]:
        """By number of concepts ``[F, k, C]``. F is 1 if all pictures share them, else the number of pictures."""
        return {k: self.arrays[f"concepts_k{k}"] for k in self._numbers()}

    @property
    def heatmaps(self) -> dict[int, np.ndarray]:
        """By number of concepts ``[N, k, h, w]``."""
        return {k: self.arrays[f"heatmaps_k{k}"] for k in self._numbers()}

    def _numbers(self) -> list[int]:
        return sorted({k for group in self.groups for k in group.features})

    @property
    def figures(self) -> list[str]:
        """The name of each figure: that of its only picture, or :data:`~conceptrast.dff.concept_rows.ALL_PICTURES`."""
        return picture_names(self.groups, self.captions.names)

    def table(self, things: KnownThings | None = None) -> pd.DataFrame:
        """One row for each concept and rank: picture, and the columns of
        :func:`~conceptrast.dff.concept_scores.concept_scores`.

        Args:
            things: what is known of the pictures; it gives the columns of
                :meth:`~conceptrast.dff.known_things.KnownThings.rows` to the first rank.
        """
        table = concept_rows(self.groups, self.captions.names)
        if things is None:
            return table
        parts = []
        first = 0
        for name, group in zip(self.figures, self.groups, strict=True):
            place = slice(first, first + len(group.images))
            first += len(group.images)
            of_group = replace(things, boxes=things.boxes[place])
            for k, features in group.features.items():
                best = group.table[(group.table["n_components"] == k) & (group.table["rank"] == 1)]
                rows = of_group.rows(features.heatmaps, best.sort_values("concept")["suffix_class"].tolist())
                parts.append(rows.assign(picture=name, n_components=k, rank=1))
        known = pd.concat(parts) if parts else pd.DataFrame(columns=[*KEYS, *COLUMNS])
        return table.merge(known, on=KEYS, how="left")

    def view(self, number: int = 0) -> GroupView:
        """What the figure of a group shows.

        Args:
            number: the number of the group, from 0.

        Raises:
            ConfigError: there is no such group.
        """
        if not 0 <= number < len(self.groups):
            raise ConfigError(f"there is no figure {number}: there are {len(self.groups)}, counted from 0")
        shared = self.figures[number] == ALL_PICTURES
        views = self.views if shared else self.views[number : number + 1]
        title = f"concepts of {self.captions.title if shared else self.captions.labels[number]}"
        return group_view(self.groups[number], views, title, self.source)

    def __str__(self) -> str:
        n_pictures = len(self.captions.names)
        grouping = "sharing their concepts" if len(self.groups) < n_pictures else "each by itself"
        count = "1 picture" if n_pictures == 1 else f"{n_pictures} pictures, {grouping}"
        lines = [f"{self.source}: {count}"]
        for (picture, k), rows in self.table().groupby(["picture", "n_components"], sort=False):
            concepts = rows[rows["rank"] == 1].to_dict("records")
            missed = rows["reason"].iloc[0]
            if concepts:
                missed = f"{100 * concepts[0]['reconstruction_error']:.0f} % missed"
            lines += [f"  {picture}, {k} concepts: {missed}", *map(_line, concepts)]
        return "\n".join(lines)


def _line(concept: dict[Hashable, Any]) -> str:
    """One concept in words."""
    suffix = "no suffix"
    if pd.notna(concept["suffix_class"]):
        suffix = f"suffix {concept['suffix_class']} {concept['suffix_score']:.2f}"
    blur = concept["reason"]
    if concept["status"] == "ok":
        drop = -concept["blur_score"]
        chance = -concept["blur_chance"]
        blur = f"blurred: {concept['blur_class']} {drop:+.2f}, a region elsewhere {chance:+.2f}"
    return f"    {concept['concept']}: {100 * concept['share']:.0f} %, {suffix}, {blur}"


def factorized_pictures(
    pictures: Pictures, images: np.ndarray, layer: str, captions: PictureCaptions, options: FactorizationOptions
) -> FactorizedPictures:
    """Factorize what a layer holds of some pictures of a dataset, and score the concepts.

    Args:
        pictures: images and model.
        images: ``[N]`` ids, at least one; all of them are in memory.
        layer: the layer where the model is cut.
        captions: what the images are called.
        options: how to factorize.

    Raises:
        As :func:`~conceptrast.dff.picture_groups.factorize_pictures`; LayerError also if there is no such layer.
    """
    # The activations to factorize.
    model = pictures.model
    split = SplitModel(model, layer)
    views = torch.cat([batch for _, batch in pictures.of(images)])
    groups = factorize_pictures(
        model,
        split,
        images,
        views=views,
        options=options,
        batch_size=pictures.batch_size,
    )
    return FactorizedPictures(
        source=f"{model.name} at {layer}",
        captions=captions,
        views=views,
        groups=list(groups),
    )
