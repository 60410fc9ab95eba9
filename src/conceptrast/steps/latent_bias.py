"""Compare the latent spaces of all networks of one comparison: codes, positions, figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_arrays, write_table
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.comparison import CONDITIONS, trained_networks
from conceptrast.bias.latent_map import latent_map
from conceptrast.bias.latent_space import ConditionPictures
from conceptrast.bias.navigation import navigation
from conceptrast.bias.network_spaces import (
    content_table,
    directions_table,
    keyed_table,
    networks_of_seed,
    open_networks,
    open_regressor,
    readings_of_seed,
    space_arrays,
    spaces_of,
    turned_table,
)
from conceptrast.data.dataset import open_dataset
from conceptrast.figures.canvas import save_png
from conceptrast.figures.latent_bias import draw_cause, draw_maps, draw_visibility
from conceptrast.figures.latent_navigation import draw_navigation
from conceptrast.models.inference import default_device
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Indices and weights in the order of :mod:`conceptrast.bias.comparison`."""

    indices: list[Path]
    class_names: Path
    weights: list[Path]
    regressor: Path
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``figures`` show the networks of the first seed, in the order of :mod:`conceptrast.bias.comparison`."""

    codes: Path
    positions: Path
    turned: Path
    directions: Path
    content: Path
    figures: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the latent space of every network."""
    # Pictures and networks
    sources = {}
    for condition, index in zip(CONDITIONS, inputs.indices, strict=True):
        dataset = open_dataset(settings["datasets"][condition], settings["seed"])
        sources[condition] = ConditionPictures(dataset, read_table(index), settings["batch_size"], inputs.workers)
    networks = open_networks(
        dict(zip(trained_networks(settings["seeds"]), inputs.weights, strict=True)),
        settings["resnet"],
        settings["network"],
        read_json(inputs.class_names),
        device=default_device(),
    )
    size = settings["network"]["size"]
    regressor = open_regressor(inputs.regressor, settings["regressor"], default_device())
    # Latent spaces
    spaces = spaces_of(networks, sources, settings["precision"])
    turned = turned_table(spaces, sources, regressor)
    write_arrays(outputs.codes, space_arrays(spaces))
    write_table(keyed_table({key: space.positions for key, space in spaces.items()}), outputs.positions)
    write_table(turned, outputs.turned)
    write_table(directions_table(spaces, networks, regressor, settings["seed"]), outputs.directions)
    write_table(content_table(spaces, sources, settings["seed"]), outputs.content)
    # Figures
    bias = settings["bias"]
    first = networks_of_seed(spaces, settings["seeds"][0])
    decoders = {
        condition: network
        for (condition, _), network in networks_of_seed(networks, settings["seeds"][0]).items()
        if isinstance(network, Autoencoder)
    }
    readings = readings_of_seed(turned, settings["seeds"][0])
    figures = [
        draw_cause(first, bias, settings["seed"]),
        draw_visibility(first, readings, bias),
        draw_maps(
            {key: latent_map(space, sources[key[0]], size, settings["seed"]) for key, space in first.items()},
            bias,
        ),
    ]
    for condition in CONDITIONS:
        by_network = {network: space for (place, network), space in first.items() if place == condition}
        steps = navigation(by_network, decoders[condition], regressor, pictures=sources[condition], condition=condition)
        figures.append(draw_navigation(steps, bias))
    for figure, path in zip(figures, outputs.figures, strict=True):
        save_png(figure, path)


if __name__ == "__main__":
    run(main)
