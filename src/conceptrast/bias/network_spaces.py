"""The latent spaces of all networks of one comparison, and the table and arrays that hold them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.latent_space import ConditionPictures, LatentSpace, latent_space
from conceptrast.models.model import Model
from conceptrast.models.opening import open_model
from conceptrast.models.weights import fit, read_state

LOGGER = logging.getLogger("conceptrast")

Key = tuple[str, str, int]
"""Condition, network and seed."""

Anything = TypeVar("Anything")


def open_networks(
    weights: Mapping[Key, Path],
    resnet: Mapping[str, Any],
    size: int,
    class_names: Sequence[str],
    device: torch.device,
) -> dict[Key, Autoencoder | Model]:
    """The trained networks.

    Args:
        weights: file of each network.
        resnet: the entry of the plain ResNet in ``models``; the seed is taken from the key.
        size: side of the autoencoder's pictures in pixels.
        class_names: the names of the plain ResNet.
        device: the device where the networks run.
    """
    networks: dict[Key, Autoencoder | Model] = {}
    for (condition, network, seed), path in weights.items():
        if network == "resnet":
            model = open_model({**resnet, "seed": seed}, path, class_names)
            model.module.to(device)
            networks[condition, network, seed] = model
        else:
            autoencoder = Autoencoder(size)
            fit(autoencoder, read_state(path), "the autoencoder", str(path))
            networks[condition, network, seed] = autoencoder.to(device).eval()
    return networks


def spaces_of(
    networks: Mapping[Key, Autoencoder | Model], sources: Mapping[str, ConditionPictures], precision: str = "float32"
) -> dict[Key, LatentSpace]:
    """The latent space of every network.

    Args:
        networks: the trained networks.
        sources: the pictures of each condition.
        precision: ``float32`` or ``bfloat16``.
    """
    spaces = {}
    for key, network in networks.items():
        LOGGER.info("latent space of %s, %s, seed %d", *key)
        spaces[key] = latent_space(network, sources[key[0]], precision)
    return spaces


def networks_of_seed(by_key: Mapping[Key, Anything], seed: int) -> dict[tuple[str, str], Anything]:
    """The items of one seed, by condition and network.

    Example:
        >>> networks_of_seed({("biased", "resnet", 0): "a", ("biased", "resnet", 1): "b"}, 1)
        {('biased', 'resnet'): 'b'}
    """
    return {key[:2]: value for key, value in by_key.items() if key[2] == seed}


def positions_table(spaces: Mapping[Key, LatentSpace]) -> pd.DataFrame:
    """The positions of the validation pictures in each space, with condition, network and seed."""
    heads = [pd.DataFrame([dict(zip(("condition", "network", "seed"), key, strict=True))]) for key in spaces]
    parts = [head.merge(space.positions, how="cross") for head, space in zip(heads, spaces.values(), strict=True)]
    return pd.concat(parts, ignore_index=True)


def space_arrays(spaces: Mapping[Key, LatentSpace]) -> dict[str, np.ndarray]:
    """For each network, the codes of the validation pictures, and the middle and the unit vector of its direction."""
    arrays = {}
    for (condition, network, seed), space in spaces.items():
        name = f"{condition}_{network}_{seed}"
        arrays[f"codes_{name}"] = space.codes
        arrays[f"middle_{name}"] = space.direction.middle
        arrays[f"unit_{name}"] = space.direction.unit
        arrays[f"images_{name}"] = space.positions["image"].to_numpy()
    return arrays
