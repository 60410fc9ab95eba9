"""Compare the latent spaces of all networks of one bias: codes, positions, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.files import read_json, read_table, write_arrays, write_table
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.comparison import CONDITIONS, NETWORKS, trained_networks
from conceptrast.bias.latent_map import latent_map
from conceptrast.bias.latent_space import ConditionPictures, LatentSpace, latent_space
from conceptrast.bias.navigation import navigation
from conceptrast.data.dataset import open_dataset
from conceptrast.figures.canvas import save_png
from conceptrast.figures.latent_bias import draw_maps, draw_rotations
from conceptrast.figures.latent_navigation import draw_navigation
from conceptrast.models.inference import default_device
from conceptrast.models.model import Model
from conceptrast.models.opening import open_model
from conceptrast.models.weights import fit, read_state
from conceptrast.steps.runner import LOGGER, run

Key = tuple[str, str, int]


def main(
    settings: dict[str, Any],
    indices: list[Path],
    class_names: Path,
    weights: list[Path],
    codes: Path,
    positions: Path,
    figures: list[Path],
    workers: int = 0,
) -> None:
    """Indices, weights and figures in the order of :mod:`conceptrast.bias.comparison`.

    The figures (map, rotations, a strip for each condition) show the networks of the first seed.
    """
    seeds, names = settings["seeds"], read_json(class_names)
    sources = {}
    for condition, index in zip(CONDITIONS, indices, strict=True):
        dataset = open_dataset(settings["datasets"][condition], settings["seed"])
        sources[condition] = ConditionPictures(dataset, read_table(index), settings["batch_size"], workers)
    keyed = zip(trained_networks(seeds), weights, strict=True)
    networks = {key: _opened(settings, key, path, names) for key, path in keyed}
    spaces: dict[Key, LatentSpace] = {}
    for key, network in networks.items():
        LOGGER.info("latent space of %s, %s, seed %d", *key)
        spaces[key] = latent_space(network, sources[key[0]], settings["precision"])
    write_arrays(codes, _arrays(spaces))
    write_table(_table(spaces), positions)
    shown = {key[:2]: space for key, space in spaces.items() if key[2] == seeds[0]}
    decoders = {
        key[0]: network for key, network in networks.items() if isinstance(network, Autoencoder) and key[2] == seeds[0]
    }
    maps = {key: latent_map(space, settings["seed"]) for key, space in shown.items()}
    drawn = [draw_maps(maps, settings["bias"]), draw_rotations(shown, settings["bias"])]
    for condition in CONDITIONS:
        own = {network: shown[condition, network] for network in NETWORKS}
        steps = navigation(own, decoders[condition], sources[condition], condition)
        drawn.append(draw_navigation(steps, settings["bias"]))
    for figure, path in zip(drawn, figures, strict=True):
        save_png(figure, path)


def _opened(settings: dict[str, Any], key: Key, path: Path, class_names: list[str]) -> Autoencoder | Model:
    if key[1] == "resnet":
        model = open_model({**settings["resnet"], "seed": key[2]}, path, class_names)
        model.module.to(default_device())
        return model
    autoencoder = Autoencoder(settings["size"])
    fit(autoencoder, read_state(path), "the autoencoder", str(path))
    return autoencoder.to(default_device()).eval()


def _table(spaces: dict[Key, LatentSpace]) -> pd.DataFrame:
    heads = [dict(zip(("condition", "network", "seed"), key, strict=True)) for key in spaces]
    parts = [
        pd.DataFrame([head]).merge(space.positions, how="cross")
        for head, space in zip(heads, spaces.values(), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _arrays(spaces: dict[Key, LatentSpace]) -> dict[str, np.ndarray]:
    """For each network the codes of the validation pictures, the middle and the unit vector of its direction."""
    arrays = {}
    for (condition, network, seed), space in spaces.items():
        name = f"{condition}_{network}_{seed}"
        arrays[f"codes_{name}"] = space.codes
        arrays[f"middle_{name}"], arrays[f"unit_{name}"] = space.direction.middle, space.direction.unit
        arrays[f"images_{name}"] = space.positions["image"].to_numpy()
    return arrays


if __name__ == "__main__":
    run(main)
