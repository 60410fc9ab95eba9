"""One network's view of one condition: codes of pictures, directions, and positions along them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.comparison import DIRECTIONS
from conceptrast.bias.discriminant import Discriminant, discriminant_direction, mean_difference
from conceptrast.bias.encoding import Encoding, encode_autoencoder, encode_classifier
from conceptrast.data.dataset import Dataset
from conceptrast.data.rotated_pair import ANGLES, rotations
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.training_pictures import TrainingPictures

ANGLE_STEPS = tuple(range(0, 181, 15))
"""Every validation picture is turned by each of these angles, in degrees."""


@dataclass(frozen=True)
class ConditionPictures:
    """The pictures of a condition. Their views are kept where they fit into memory.

    Args:
        dataset: the dataset from which they are read.
        table: the dataset's index, with ``rotation``.
        batch_size: the number of pictures in a batch.
        workers: the number of processes that decode.
    """

    dataset: Dataset
    table: pd.DataFrame
    batch_size: int
    workers: int = 0
    _kept: dict[Any, TrainingPictures] = field(default_factory=dict, init=False, repr=False, compare=False)

    def part(self, name: str) -> pd.DataFrame:
        """Rows of ``train`` or ``validation`` pictures, or ``turned``: see :func:`turned_rows`."""
        if name == "turned":
            return turned_rows(self.part("validation"), self.dataset.seed)
        return self.table[self.table["split"] == name].reset_index(drop=True)

    def batches(self, name: str, preprocess: Preprocess) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Ids and views of the pictures of a part."""
        # Normalisation comes after the views, so that networks that differ only there share them.
        key = (name, preprocess.resize, preprocess.size, preprocess.channels, preprocess.interpolation)
        if key not in self._kept:
            self._kept[key] = TrainingPictures(
                self.dataset, self.part(name), preprocess, self.batch_size, workers=self.workers
            )
        pictures = self._kept[key]
        images = pictures.table["image"].to_numpy()
        starts = range(0, len(images), self.batch_size)
        for start, views in zip(starts, pictures.in_order(), strict=True):
            yield images[start : start + self.batch_size], views


@dataclass(frozen=True)
class LatentSpace:
    """A trained network's view of a condition.

    Args:
        directions: by name, in the order of :data:`~conceptrast.bias.comparison.DIRECTIONS`; fitted on training
            pictures.
        training: codes ``[N, C]`` of the training pictures.
        codes: ``[n, C]`` of the validation pictures as the condition turns them.
        unbiased: ``[n, C]`` of the validation pictures, turned by any angle.
        positions: one row per validation picture: image, label, label_name, rotation, position (along the difference
            of means), position_regression, probability.
        turned: the same for validation pictures at other angles, with ``turned``: one of
            :data:`~conceptrast.data.rotated_pair.ANGLES`, or ``steps``.
    """

    directions: Mapping[str, Discriminant]
    training: np.ndarray
    codes: np.ndarray
    unbiased: np.ndarray
    positions: pd.DataFrame
    turned: pd.DataFrame

    @property
    def direction(self) -> Discriminant:
        """The difference of the class means."""
        return self.directions[DIRECTIONS[0]]

    @property
    def class_names(self) -> tuple[str, str]:
        """Names of class 1 and class 2."""
        first, second = self.positions.drop_duplicates("label").sort_values("label")["label_name"]
        return str(first), str(second)


def turned_rows(validation: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows of the validation pictures at other angles, all with the column ``turned``.

    Each picture comes once at its angle of each kind of :data:`~conceptrast.data.rotated_pair.ANGLES` (``turned`` is
    the kind), and once at each of :data:`ANGLE_STEPS` (``turned`` is ``steps``).

    Args:
        validation: rows of an index of rotated pictures.
        seed: the seed of the angles.
    """
    images = validation["image"].to_numpy()
    labels = validation["label"].to_numpy()
    parts = [validation.assign(turned=name, rotation=rotations(images, labels, name, seed)) for name in ANGLES]
    parts += [validation.assign(turned="steps", rotation=float(angle)) for angle in ANGLE_STEPS]
    return pd.concat(parts, ignore_index=True)


def latent_space(network: Autoencoder | Model, pictures: ConditionPictures, precision: str = "float32") -> LatentSpace:
    """Encode all pictures, fit the directions on the training pictures, place the validation pictures along them.

    Args:
        network: the trained network.
        pictures: the pictures of the condition.
        precision: ``float32`` or ``bfloat16``.
    """
    # The directions, from the training pictures.
    training = _encoding(network, pictures, "train", precision).codes
    labels = pictures.part("train")["label"].to_numpy()
    fits = (mean_difference, discriminant_direction)
    directions = {name: fit(training, labels) for name, fit in zip(DIRECTIONS, fits, strict=True)}

    # Positions of the validation pictures along them, as they are and at other angles.
    validation = _encoding(network, pictures, "validation", precision)
    turned = _encoding(network, pictures, "turned", precision)
    turned_table = pictures.part("turned")
    return LatentSpace(
        directions=directions,
        training=training,
        codes=validation.codes,
        unbiased=turned.codes[(turned_table["turned"] == "unbiased").to_numpy()],
        positions=_placed(pictures.part("validation"), validation, directions),
        turned=_placed(turned_table, turned, directions),
    )


def _placed(table: pd.DataFrame, encoding: Encoding, directions: Mapping[str, Discriminant]) -> pd.DataFrame:
    """Rows of a table with their positions along both directions, and the probability of class 2."""
    kept = [name for name in ("image", "label", "label_name", "turned", "rotation") if name in table]
    position, regression = (directions[name].positions(encoding.codes) for name in DIRECTIONS)
    return table[kept].assign(position=position, position_regression=regression, probability=encoding.probability)


def _encoding(network: Autoencoder | Model, pictures: ConditionPictures, part: str, precision: str) -> Encoding:
    batches = pictures.batches(part, network.preprocess)
    if isinstance(network, Autoencoder):
        return encode_autoencoder(network, batches, precision)
    return encode_classifier(network, batches, precision)
