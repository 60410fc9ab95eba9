"""The step that sums up a bias: what belongs to a network stands beside that network."""

from __future__ import annotations

import pandas as pd
import pytest

from conceptrast.base.files import read_table, write_table
from conceptrast.bias.network_spaces import keyed_table
from conceptrast.bias.table import bias_columns, direction_columns
from conceptrast.steps import latent_bias_tables as tables_step
from conceptrast.steps.runner import call

from ..bias.planted import results_of


def test_the_step_puts_everything_beside_its_own_network(tmp_path):
    results = {}
    histories = []
    for condition in ("biased", "control"):
        for network in ("autoencoder", "resnet"):
            for seed in (5, 2):
                answer = "rotation" if (condition, network) == ("biased", "resnet") else "class"
                results[condition, network, seed] = results_of(answer, biased=condition == "biased")
                histories.append(tmp_path / f"{condition}-{network}-{seed}.csv")
                write_table(pd.DataFrame({"epoch": range(1, seed + 1), "train_loss": 0.1 * seed}), histories[-1])
    files = {}
    for name in ("positions", "turned", "directions"):
        files[name] = [tmp_path / f"{name}.parquet"]
        parts = {key: getattr(result, name) for key, result in results.items()}
        write_table(keyed_table(dict(reversed(parts.items()))), files[name][0])
    content = {key: pd.DataFrame([{"r2_turn": key[2] / 10, "r2_double_turn": 0.0}]) for key in results}
    write_table(keyed_table(content), tmp_path / "content.csv")
    write_table(pd.DataFrame({"error": [30.0, 6.0]}), tmp_path / "regressor.csv")
    files |= {"content": [tmp_path / "content.csv"], "regressors": [tmp_path / "regressor.csv"]}
    bias = {"name": "x", "seeds": [5, 2], "planned": {"autoencoder": 5, "resnet": 7}}
    settings = {"biases": [bias | {"keep": {"autoencoder": "last", "resnet": "last"}}], "seed": 0}
    tables = [tmp_path / f"latent_bias{end}.csv" for end in ("", "_directions", "_summary")]
    call(tables_step.main, settings, **files, histories=histories, tables=tables)
    table, directions, summary = map(read_table, tables)
    assert table.columns.tolist() == list(bias_columns())
    assert directions.columns.tolist() == list(direction_columns())
    assert table["seed"].tolist() == table["epochs"].tolist() == [5, 2] * 4
    assert table[table["network"] == "resnet"]["epochs_planned"].eq(7).all()
    assert table["class_2"].eq("dog").all()
    assert table["r2_turn"].tolist() == [0.5, 0.2] * 4
    assert table["reading_error"].eq(6).all()  # of the regressor's last epoch
    assert table["relies"].tolist() == ["no", "no", "yes", "yes", "no", "no", "no", "no"]
    assert summary["relies"].tolist() == ["no", "yes", "no", "no"]
    # 60 pictures are too few to say that nothing shows.
    assert summary["shows"].tolist() == ["no verdict", "yes", "no verdict", "no verdict"]
    assert summary["relies_seeds"].eq(2).all()
    assert directions["direction"].tolist() == ["means", "regression"] * 8
    for wrong in (histories[:-1], [*histories, histories[0]]):
        with pytest.raises(ValueError, match="zip"):
            call(tables_step.main, settings, **files, histories=wrong, tables=tables)
