"""The step that sums up a bias: the history of a network stands beside that network."""

from __future__ import annotations

import pandas as pd
import pytest

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.table import (
    bias_columns,
)
from conceptrast.steps import latent_bias_tables as tables_step
from conceptrast.steps.runner import call

from ..bias.planted import planted


def test_the_step_puts_every_history_beside_its_own_network(tmp_path):
    parts = []
    histories = []
    for condition in ("biased", "control"):
        for network in ("autoencoder", "resnet"):
            for seed in (5, 2):
                part = planted(knows_rotation=network == "resnet").assign(
                    condition=condition, network=network, seed=seed
                )
                parts.append(part.assign(label_name=part["label"].map({0: "cat", 1: "dog"})))
                histories.append(tmp_path / f"{condition}-{network}-{seed}.csv")
                write_table(pd.DataFrame({"epoch": range(1, seed + 1), "train_loss": 0.1 * seed}), histories[-1])
    write_table(pd.concat(parts[::-1]), positions := tmp_path / "positions.parquet")
    settings = {"biases": [{"name": "x", "seeds": [5, 2], "planned": {"autoencoder": 5, "resnet": 7}}], "seed": 0}
    tables = [tmp_path / "latent_bias.csv", tmp_path / "latent_bias_summary.csv"]
    call(tables_step.main, settings, positions=[positions], histories=histories, tables=tables)
    table = read_table(tables[0])
    assert table.columns.tolist() == list(bias_columns())
    assert table["seed"].tolist() == table["epochs"].tolist() == [5, 2] * 4
    assert table[table["network"] == "resnet"]["epochs_planned"].eq(7).all()
    assert table["class_2"].eq("dog").all()
    assert table[table["network"] == "resnet"]["rho_within"].eq(1).all()
    assert len(read_table(tables[1])) == 4
    for wrong in (histories[:-1], [*histories, histories[0]]):
        with pytest.raises(ValueError, match="zip"):
            call(tables_step.main, settings, positions=[positions], histories=wrong, tables=tables)
