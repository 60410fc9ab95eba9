"""Build the tables that say whether networks rely on a planted rotation, and whether their latent spaces show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.comparison import trained_networks
from conceptrast.bias.table import (
    NetworkResults,
    bias_columns,
    bias_summary,
    curve_rows,
    direction_columns,
    direction_rows,
    network_row,
)
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """One file for each of ``settings["biases"]``; histories of each bias in the order of its networks."""

    positions: list[Path]
    turned: list[Path]
    directions: list[Path]
    content: list[Path]
    regressors: list[Path]
    histories: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write a row for every network, one for each of its directions, a summary of the networks, and their curves."""
    # What is known of each network
    keys = [(bias["name"], *key) for bias in settings["biases"] for key in trained_networks(bias["seeds"])]
    histories = dict(zip(keys, inputs.histories, strict=True))
    files = (inputs.positions, inputs.turned, inputs.directions, inputs.content, inputs.regressors)
    networks: list[dict[str, Any]] = []
    directions: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    for bias, *of_bias, regressor in zip(settings["biases"], *files, strict=True):
        positions, turned, lines, content = map(_by_network, of_bias)
        for key in trained_networks(bias["seeds"]):
            results = NetworkResults(
                positions=positions[key],
                turned=turned[key],
                directions=lines[key],
                content={str(name): float(r2) for name, r2 in content[key].filter(like="r2_").iloc[0].items()},
                history=read_table(histories[bias["name"], *key]),
                reading_error=float(read_table(regressor)["error"].iloc[-1]),
            )
            networks.append(network_row(bias, key, results, seed=settings["seed"]))
            directions += direction_rows(bias, key, results, seed=settings["seed"])
            curves.append(curve_rows(bias, key, results))
    # The tables
    table = pd.DataFrame(networks).reindex(columns=list(bias_columns()))
    tables = {
        "latent_bias": table,
        "latent_bias_directions": pd.DataFrame(directions).reindex(columns=list(direction_columns())),
        "latent_bias_summary": bias_summary(table),
        "latent_bias_curves": pd.concat(curves, ignore_index=True),
    }
    for path in outputs.tables:
        write_table(tables[path.stem], path)


def _by_network(path: Path) -> Mapping[Any, pd.DataFrame]:
    """Rows of a file by condition, network and seed."""
    return dict(list(read_table(path).groupby(["condition", "network", "seed"], sort=False)))


if __name__ == "__main__":
    run(main)
