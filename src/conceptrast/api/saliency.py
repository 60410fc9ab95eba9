"""Where a model looks in one's own pictures, from Python.

The same functions as the workflow's steps, in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from conceptrast.api.explain import as_model
from conceptrast.base.errors import ConfigError
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.figures.saliency import draw_saliency, saliency_note
from conceptrast.models.inference import predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel, last_spatial_layer
from conceptrast.saliency.maps import subject_maps, target_probabilities
from conceptrast.saliency.picture_maps import PictureMaps, picture_maps
from conceptrast.saliency.subjects import chosen_subjects, described


@dataclass(frozen=True)
class Saliency:
    """What :func:`saliency_of` found.

    Attributes:
        model_name: whose maps they are.
        layer: where they were made.
        maps: ``[n, H, W]`` float32 in [0, 1] by method, in the order of the pictures; zero throughout where nothing
            speaks for the class.
        subjects: image, path, toward and versus (class indices, versus -1 without a second class) and their names,
            probability of what the map speaks for, predicted_name, predicted_probability; a row for each picture.
        rows: all that :meth:`plot` draws.
    """

    model_name: str
    layer: str
    maps: Mapping[str, np.ndarray]
    subjects: pd.DataFrame
    rows: Sequence[PictureMaps]

    def table(self) -> pd.DataFrame:
        """What the model says of every picture; ``flat``: the map by the method says nothing, it is zero throughout."""
        parts = [
            self.subjects.assign(method=method, flat=[not each.any() for each in values])
            for method, values in self.maps.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def plot(self) -> Figure:
        """Each picture with its maps, as the workflow draws them."""
        return draw_saliency(
            self.rows, "where the model looks", saliency_note(f"{self.model_name} at {self.layer}", self.rows)
        )

    def __str__(self) -> str:
        lines = [f"maps at {self.layer}: {', '.join(self.maps)}"]
        for row in self.subjects.to_dict("records"):
            against = f", and not {row['versus_name']}" if row["versus_name"] else ""
            said = f"says {row['predicted_name']} ({row['predicted_probability']:.2f})"
            asked = f"why {row['toward_name']}{against}? p = {row['probability']:.2g}"
            lines.append(f"  {Path(row['path']).name}: {said}; {asked}")
        return "\n".join(lines)


def saliency_of(
    model: Model | nn.Module,
    images: AnyPictures,
    target: str | int | None = None,
    versus: str | int | None = None,
    *,
    layer: str | None = None,
    methods: str | Sequence[str] = ("grad_cam",),
    seed: int = 0,
    batch_size: int = 32,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> Saliency:
    """Where a model looks: maps of what speaks for a class, or for a class and against another one.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index.
        target: the class that the maps speak for, by name or index; of each picture the one that the model gives it
            if ``None``.
        versus: the class that it is held against: why ``target``, and not ``versus``?
        layer: whose activations are weighed; the last one that has positions if ``None``.
        methods: keys of :data:`conceptrast.saliency.METHODS`.
        seed: of the methods that draw.
        batch_size: pictures in a batch.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Raises:
        ModelError: a bare network without ``preprocess``.
        LayerError: there is no such layer, or it has no positions; its activations are zero throughout.
        ConfigError: an unknown class or method, no method, or a class held against itself.
        DataError: no usable picture.

    Source: see :func:`conceptrast.saliency.grad_cam.class_activation_maps`.

    Example:
        >>> from PIL import Image
        >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> picture = Image.new("RGB", (16, 16))
        >>> picture.paste("red", (0, 0, 8, 8))
        >>> found = saliency_of(network, picture, "red", layer="1", class_names=["red", "green", "blue"],
        ...     preprocess=Preprocess(16, 16, (0.0,) * 3, (1.0,) * 3))
        >>> [seen] = found.maps["grad_cam"]
        >>> seen.shape, seen[0, 0].item(), seen[15, 15].item()
        ((16, 16), 1.0, 0.0)
    """
    methods = [methods] if isinstance(methods, str) else list(methods)
    if not methods:
        raise ConfigError("name one method at least, e.g. grad_cam")
    whole = as_model(model, preprocess, class_names)
    dataset, table = as_dataset(images)
    pictures = Pictures(dataset, table, whole, batch_size)
    said = predict(whole, pictures.of(table["image"].to_numpy()))
    where = layer if layer is not None else last_spatial_layer(whole)
    chosen = chosen_subjects(said, whole, target, versus)
    maps = subject_maps(pictures, SplitModel(whole, where), chosen, methods, seed)
    subjects = described(chosen, said, table, whole.class_names)
    subjects = subjects.assign(probability=target_probabilities(pictures, subjects))
    rows = picture_maps(pictures, subjects, maps)
    return Saliency(whole.name, where, maps, subjects.drop(columns=["status", "reason", "label_name"]), rows)
