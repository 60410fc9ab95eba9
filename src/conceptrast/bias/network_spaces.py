"""The latent spaces of all networks of one comparison, and the table and arrays that hold them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from conceptrast.bias.autoencoder import Autoencoder, as_input, plain_preprocess
from conceptrast.bias.backbone import blank_backbone
from conceptrast.bias.latent_space import ConditionPictures, LatentSpace, latent_space
from conceptrast.bias.rotation_content import rotation_content
from conceptrast.bias.rotation_regressor import RotationRegressor, read_rotations
from conceptrast.bias.visibility import decoded_turn, readings_of_codes
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
    autoencoder: Mapping[str, Any],
    class_names: Sequence[str],
    device: torch.device,
) -> dict[Key, Autoencoder | Model]:
    """The trained networks.

    Args:
        weights: file of each network.
        resnet: the entry of the plain classifier in ``models``; the seed is taken from the key.
        autoencoder: ``size``, ``decoder`` and ``backbone`` (``model``, an entry of ``models``, and ``layer``, or
            ``None``) of the autoencoder.
        class_names: the names of the plain classifier's outputs.
        device: the device where the networks run.
    """
    networks: dict[Key, Autoencoder | Model] = {}
    for (condition, network, seed), path in weights.items():
        if network == "resnet":
            model = open_model({**resnet, "seed": seed}, path, class_names)
            model.module.to(device)
            networks[condition, network, seed] = model
        else:
            blank = _blank_autoencoder(autoencoder)
            fit(blank, read_state(path), "the autoencoder", str(path))
            networks[condition, network, seed] = blank.to(device).eval()
    return networks


def open_regressor(weights: Path, settings: Mapping[str, Any], device: torch.device) -> RotationRegressor:
    """The trained regressor of rotations.

    Args:
        weights: its file.
        settings: its ``size`` and ``backbone``, as for the autoencoder.
        device: the device where it runs.
    """
    backbone = None if settings["backbone"] is None else blank_backbone(settings["backbone"])
    regressor = RotationRegressor(settings["size"], backbone=backbone)
    fit(regressor, read_state(weights), "the regressor of rotations", str(weights))
    return regressor.to(device).eval()


def _blank_autoencoder(settings: Mapping[str, Any]) -> Autoencoder:
    """An autoencoder whose weights are still to be read."""
    backbone = None if settings["backbone"] is None else blank_backbone(settings["backbone"])
    return Autoencoder(settings["size"], decoder=settings["decoder"], backbone=backbone)


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


def keyed_table(tables: Mapping[Key, pd.DataFrame]) -> pd.DataFrame:
    """The rows of a table of each network, with condition, network and seed in front.

    Example:
        >>> keyed_table({("biased", "resnet", 0): pd.DataFrame({"image": [3]})}).to_dict("records")
        [{'condition': 'biased', 'network': 'resnet', 'seed': 0, 'image': 3}]
    """
    heads = [pd.DataFrame([dict(zip(("condition", "network", "seed"), key, strict=True))]) for key in tables]
    parts = [head.merge(table, how="cross") for head, table in zip(heads, tables.values(), strict=True)]
    return pd.concat(parts, ignore_index=True)


def turned_table(
    spaces: Mapping[Key, LatentSpace], sources: Mapping[str, ConditionPictures], regressor: RotationRegressor
) -> pd.DataFrame:
    """The validation pictures at other angles in each space; unbiased ones with the angle that the regressor reads."""
    readings = {condition: _readings(pictures, regressor) for condition, pictures in sources.items()}
    return keyed_table({key: space.turned.assign(reading=readings[key[0]]) for key, space in spaces.items()})


def readings_of_seed(turned: pd.DataFrame, seed: int) -> dict[tuple[str, str], np.ndarray]:
    """The readings ``[n]`` of the unbiased pictures of one seed's networks, by condition and network."""
    rows = turned[(turned["turned"] == "unbiased") & (turned["seed"] == seed)]
    keys = rows[["condition", "network"]].drop_duplicates().itertuples(index=False)
    return {
        (str(condition), str(network)): rows["reading"][
            (rows["condition"] == condition) & (rows["network"] == network)
        ].to_numpy()
        for condition, network in keys
    }


def _readings(pictures: ConditionPictures, regressor: RotationRegressor) -> np.ndarray:
    device = next(regressor.parameters()).device
    unbiased = (pictures.part("turned")["turned"] == "unbiased").to_numpy()
    angles = np.full(len(unbiased), np.nan)
    start = 0
    for _, views in pictures.batches("turned", plain_preprocess(regressor.size)):
        rows = slice(start, start + len(views))
        start = rows.stop
        # Most batches have no unbiased picture, and reading takes long where the regressor is large.
        if unbiased[rows].any():
            angles[rows] = read_rotations(regressor, [as_input(views, device)])
    return np.where(unbiased, angles, np.nan)


def directions_table(
    spaces: Mapping[Key, LatentSpace],
    networks: Mapping[Key, Autoencoder | Model],
    regressor: RotationRegressor,
    seed: int = 0,
) -> pd.DataFrame:
    """For each direction of each space its reach and, if the network decodes, how decoded pictures turn along it."""
    tables = {}
    for key, space in spaces.items():
        network = networks[key]
        rows = []
        for name, direction in space.directions.items():
            row: dict[str, Any] = {"direction": name, "reach": direction.reach}
            if isinstance(network, Autoencoder):
                read = partial(readings_of_codes, network, regressor)
                row |= decoded_turn(direction, space.unbiased, read, seed)
            rows.append(row)
        tables[key] = pd.DataFrame(rows)
    return keyed_table(tables)


def content_table(
    spaces: Mapping[Key, LatentSpace], sources: Mapping[str, ConditionPictures], seed: int = 0
) -> pd.DataFrame:
    """How much of the rotation each whole space holds."""
    tables = {}
    for key, space in spaces.items():
        training = sources[key[0]].part("train")
        content = rotation_content(
            codes=(space.training, space.codes),
            rotations=(training["rotation"].to_numpy(), space.positions["rotation"].to_numpy()),
            labels=(training["label"].to_numpy(), space.positions["label"].to_numpy()),
            seed=seed,
        )
        tables[key] = pd.DataFrame([content])
    return keyed_table(tables)


def space_arrays(spaces: Mapping[Key, LatentSpace]) -> dict[str, np.ndarray]:
    """For each network, the codes of the validation pictures, and middle and unit vector of the difference of means."""
    arrays = {}
    for (condition, network, seed), space in spaces.items():
        name = f"{condition}_{network}_{seed}"
        arrays[f"codes_{name}"] = space.codes
        arrays[f"middle_{name}"] = space.direction.middle
        arrays[f"unit_{name}"] = space.direction.unit
        arrays[f"images_{name}"] = space.positions["image"].to_numpy()
    return arrays
