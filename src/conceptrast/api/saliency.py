"""Where does the model look in a picture? Class activation maps of one class, or of one class and not another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.base.errors import ConfigError
from conceptrast.base.registry import resolve
from conceptrast.figures.saliency import DPI as SALIENCY_DPI
from conceptrast.figures.saliency import draw_saliency, saliency_note
from conceptrast.models.pictures import Pictures
from conceptrast.saliency import METHODS
from conceptrast.saliency.cards import PictureMaps, picture_maps
from conceptrast.saliency.subject_maps import subject_maps, target_probabilities
from conceptrast.saliency.subjects import picture_subjects, with_picture_facts


@dataclass(frozen=True, repr=False)
class Saliency(Result):
    """Where the model looks: the answer of :meth:`Study.saliency <conceptrast.api.study.Study.saliency>`.

    Attributes:
        model_name: the name of the model that the maps belong to.
        layer: the layer where the maps were made.
        maps: ``[n, H, W]`` float32 in [0, 1] by method, in the order of the pictures; zero throughout where nothing
            speaks for the class.
        subjects: image, path, toward and versus (class indices, versus -1 without a second class) and their names,
            probability of what the map speaks for, predicted_name, predicted_probability; a row for each picture.
        rows: all that :meth:`plot` draws.
    """

    dpi = SALIENCY_DPI
    palette = False

    model_name: str
    layer: str
    maps: Mapping[str, np.ndarray]
    subjects: pd.DataFrame
    rows: Sequence[PictureMaps]

    def table(self) -> pd.DataFrame:
        """What the model says of every picture; ``flat``: the map by the method says nothing, it is zero throughout."""
        parts = [
            self.subjects.assign(method=method, flat=[not values.any() for values in maps])
            for method, maps in self.maps.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def plot(self) -> Figure:
        """Each picture with its maps, as the workflow draws them."""
        note = saliency_note(f"{self.model_name} at {self.layer}", self.rows)
        return draw_saliency(self.rows, "where the model looks", note)

    def __str__(self) -> str:
        lines = [f"maps at {self.layer}: {', '.join(self.maps)}"]
        for row in self.subjects.to_dict("records"):
            against = f", and not {row['versus_name']}" if row["versus_name"] else ""
            verdict = f"says {row['predicted_name']} ({row['predicted_probability']:.2f})"
            question = f"why {row['toward_name']}{against}? p = {row['probability']:.2g}"
            lines.append(f"  {Path(row['path']).name}: {verdict}; {question}")
        return "\n".join(lines)


@dataclass(frozen=True)
class MapTarget:
    """What maps speak for: a class (``None``: each picture's own), and the class that it is compared with, if any."""

    toward: str | int | None = None
    versus: str | int | None = None


def methods_named(methods: str | Sequence[str]) -> list[str]:
    """Names of methods as a list.

    Raises:
        ConfigError: there is none, or an unknown one.

    Example:
        >>> methods_named("grad_cam")
        ['grad_cam']
    """
    names = [methods] if isinstance(methods, str) else list(methods)
    if not names:
        raise ConfigError("name one method at least, e.g. grad_cam")
    for name in names:
        resolve("CAM method", name, METHODS)
    return names


def look(evidence: Evidence, pictures: Pictures, target: MapTarget, methods: Sequence[str]) -> Saliency:
    """Make maps of what speaks for a class, or for a class and against another one.

    Args:
        evidence: the evidence of the study.
        pictures: the pictures that are looked at.
        target: what the maps speak for.
        methods: keys of :data:`conceptrast.saliency.METHODS`.

    Raises:
        LayerError: the layer has no positions, or its activations are zero throughout.
        ConfigError: an unknown class, or a class held against itself.
    """
    names = evidence.model.class_names
    predictions = evidence.predictions_of(pictures)
    subjects = picture_subjects(predictions, evidence.model, target.toward, target.versus)
    maps = subject_maps(pictures, evidence.split, subjects, methods, seed=evidence.options.seed)
    subjects = with_picture_facts(subjects, predictions, pictures.table, names)
    subjects = subjects.assign(probability=target_probabilities(pictures, subjects))
    return Saliency(
        model_name=evidence.model.name,
        layer=evidence.layer,
        maps=maps,
        subjects=subjects.drop(columns=["status", "reason", "label_name"]),
        rows=picture_maps(pictures, subjects, maps),
    )
