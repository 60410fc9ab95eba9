"""Build the tables of how much of a planted rotation the latent spaces carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.comparison import trained_networks
from conceptrast.bias.table import bias_columns, bias_measures, bias_summary, training_columns
from conceptrast.steps.runner import run


def main(settings: dict[str, Any], positions: list[Path], histories: list[Path], tables: list[Path]) -> None:
    """Positions in the order of ``settings["biases"]``, histories of each in that of its networks."""
    named = [(bias["name"], *key) for bias in settings["biases"] for key in trained_networks(bias["seeds"])]
    recorded = dict(zip(named, histories, strict=True))
    rows = []
    for bias, path in zip(settings["biases"], positions, strict=True):
        placed = dict(list(read_table(path).groupby(["condition", "network", "seed"], sort=False)))
        for condition, network, seed in trained_networks(bias["seeds"]):
            group = placed[condition, network, seed]
            classes = group.drop_duplicates("label").set_index("label")["label_name"]
            head = {"bias": bias["name"], "condition": condition, "network": network, "seed": seed}
            head |= {"class_1": classes[0], "class_2": classes[1]}
            history = read_table(recorded[bias["name"], condition, network, seed])
            trained = training_columns(history, bias["planned"][network])
            rows.append(head | trained | bias_measures(group, settings["seed"]))
    table = pd.DataFrame(rows).reindex(columns=list(bias_columns()))
    built = {"latent_bias": table, "latent_bias_summary": bias_summary(table)}
    for path in tables:
        write_table(built[path.stem], path)


if __name__ == "__main__":
    run(main)
