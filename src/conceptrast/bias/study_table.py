"""One network's row in the table of a comparison of latent spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from conceptrast.bias.table import bias_measures, training_columns


def network_row(
    bias: Mapping[str, Any], key: tuple[str, str, int], positions: pd.DataFrame, history: pd.DataFrame, seed: int
) -> dict[str, Any]:
    """How the network was trained, and how much of the rotation its latent space carries.

    Args:
        bias: ``name`` of the comparison, ``planned`` epochs by network.
        key: condition, network and seed of the network.
        positions: of the validation pictures along the network's direction.
        history: a row an epoch of its training.
        seed: of the draws of the measures.
    """
    condition, network, network_seed = key
    classes = positions.drop_duplicates("label").set_index("label")["label_name"]
    row = {"bias": bias["name"], "condition": condition, "network": network, "seed": network_seed}
    row |= {"class_1": classes[0], "class_2": classes[1]}
    return row | training_columns(history, bias["planned"][network]) | bias_measures(positions, seed)
