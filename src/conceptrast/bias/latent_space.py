"""One comparison of latent spaces: what each network makes of the pictures, and the positions along its direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.discriminant import Discriminant, discriminant_direction
from conceptrast.bias.spaces import Encoded, encode_autoencoder, encode_resnet
from conceptrast.data.dataset import Dataset
from conceptrast.data.loading import views
from conceptrast.models.model import Model, Preprocess


@dataclass(frozen=True)
class Source:
    """The pictures of a condition: dataset, its index with ``rotation``, pictures in a batch, processes that decode."""

    dataset: Dataset
    table: pd.DataFrame
    batch_size: int
    workers: int = 0

    def batches(self, table: pd.DataFrame, preprocess: Preprocess) -> Iterable[tuple[np.ndarray, Tensor]]:
        """Ids and views of the rows of a table."""
        return views(self.dataset, table, preprocess, self.batch_size, self.workers)


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


def latent_space(network: Autoencoder | Model, source: Source, precision: str = "float32") -> LatentSpace:
    """Encode all pictures, fit the direction on the training pictures, place the validation pictures along it.

    Args:
        network: trained.
        source: the pictures.
        precision: ``float32`` or ``bfloat16``.
    """
    train, validation = (source.table[source.table["split"] == split] for split in ("train", "validation"))
    fitted = _encoded(network, source, train, precision)
    shown = _encoded(network, source, validation, precision)
    direction = discriminant_direction(fitted.codes, train["label"].to_numpy())
    table = validation[["image", "label", "label_name", "rotation"]].reset_index(drop=True)
    placed = table.assign(position=direction.positions(shown.codes), probability=shown.probability)
    return LatentSpace(direction, shown.codes, placed)


def _encoded(network: Autoencoder | Model, source: Source, table: pd.DataFrame, precision: str) -> Encoded:
    if isinstance(network, Autoencoder):
        return encode_autoencoder(network, source.batches(table, plain_preprocess(network.size)), precision)
    return encode_resnet(network, source.batches(table, network.preprocess), precision)
