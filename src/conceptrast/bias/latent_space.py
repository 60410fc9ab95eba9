"""One comparison of latent spaces: each network's codes of the pictures, and the positions along its direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.discriminant import Discriminant, discriminant_direction
from conceptrast.bias.encoding import Encoding, encode_autoencoder, encode_resnet
from conceptrast.bias.table import spearman
from conceptrast.data.dataset import Dataset
from conceptrast.data.loading import views
from conceptrast.models.model import Model, Preprocess


@dataclass(frozen=True)
class ConditionPictures:
    """The pictures of a condition.

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

    def batches(self, table: pd.DataFrame, preprocess: Preprocess) -> Iterable[tuple[np.ndarray, Tensor]]:
        """Ids and views of the rows of a table."""
        return views(
            self.dataset,
            table,
            preprocess,
            batch_size=self.batch_size,
            workers=self.workers,
        )


@dataclass(frozen=True)
class LatentSpace:
    """A trained network's view of a condition.

    Args:
        direction: fitted on training pictures.
        codes: ``[n, C]`` of validation pictures.
        positions: one row per validation picture: image, label, label_name, rotation, position, probability.
    """

    direction: Discriminant
    codes: np.ndarray
    positions: pd.DataFrame

    @property
    def class_names(self) -> tuple[str, str]:
        """Names of class 1 and class 2."""
        first, second = self.positions.drop_duplicates("label").sort_values("label")["label_name"]
        return str(first), str(second)

    @property
    def rotation_correlations(self) -> tuple[float, float]:
        """Spearman's correlation of rotation with position, within class 1 and within class 2; NaN if there is none."""
        classes = (self.positions[self.positions["label"] == label] for label in (0, 1))
        first, second = (float(spearman(rows["rotation"].to_numpy(), rows["position"].to_numpy())) for rows in classes)
        return first, second


def latent_space(network: Autoencoder | Model, pictures: ConditionPictures, precision: str = "float32") -> LatentSpace:
    """Encode all pictures, fit the direction on the training pictures, place the validation pictures along it.

    Args:
        network: the trained network.
        pictures: the pictures of the condition.
        precision: ``float32`` or ``bfloat16``.
    """
    # The direction, from the training pictures.
    train = pictures.table[pictures.table["split"] == "train"]
    train_encoding = _encoding(network, pictures, train, precision)
    direction = discriminant_direction(train_encoding.codes, train["label"].to_numpy())

    # Positions of the validation pictures along it.
    validation = pictures.table[pictures.table["split"] == "validation"]
    encoding = _encoding(network, pictures, validation, precision)
    table = validation[["image", "label", "label_name", "rotation"]].reset_index(drop=True)
    positions = table.assign(position=direction.positions(encoding.codes), probability=encoding.probability)
    return LatentSpace(direction=direction, codes=encoding.codes, positions=positions)


def _encoding(
    network: Autoencoder | Model, pictures: ConditionPictures, table: pd.DataFrame, precision: str
) -> Encoding:
    if isinstance(network, Autoencoder):
        return encode_autoencoder(network, pictures.batches(table, plain_preprocess(network.size)), precision)
    return encode_resnet(network, pictures.batches(table, network.preprocess), precision)
