"""Build the tables that say how much of a planted rotation the latent spaces show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.comparison import trained_networks
from conceptrast.bias.table import bias_columns, bias_summary, network_row
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Positions in the order of ``settings["biases"]``; histories of each bias in the order of its networks."""

    positions: list[Path]
    histories: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write a row for every network, and a summary of the networks."""
    keys = [(bias["name"], *key) for bias in settings["biases"] for key in trained_networks(bias["seeds"])]
    histories = dict(zip(keys, inputs.histories, strict=True))
    rows = []
    for bias, path in zip(settings["biases"], inputs.positions, strict=True):
        positions = dict(list(read_table(path).groupby(["condition", "network", "seed"], sort=False)))
        for key in trained_networks(bias["seeds"]):
            history = read_table(histories[bias["name"], *key])
            rows.append(network_row(bias, key, positions[key], history, seed=settings["seed"]))
    table = pd.DataFrame(rows).reindex(columns=list(bias_columns()))
    tables = {"latent_bias": table, "latent_bias_summary": bias_summary(table)}
    for path in outputs.tables:
        write_table(tables[path.stem], path)


if __name__ == "__main__":
    run(main)
