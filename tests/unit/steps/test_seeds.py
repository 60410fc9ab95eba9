"""Steps of repeated runs: what a failed run says, and tables of two runs with seeds of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from conceptrast.base.errors import ConceptrastError
from conceptrast.steps import seed, seed_tables
from conceptrast.steps.runner import call


def test_a_run_that_fails_names_its_seed_and_its_logs(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text("rule metrics:\n    output: 'metrics.json'\n    shell: 'false'\n")
    (tmp_path / "config.yaml").write_text("run: small\n")
    settings = {
        "config": str(tmp_path / "config.yaml"),
        "run": "seeds/runs/a/3",
        "seed": 3,
        "repository": str(tmp_path),
    }
    files = {"metrics": tmp_path / "out" / "metrics.json", "tables": tmp_path / "out" / "tables"}
    with pytest.raises(
        ConceptrastError, match="the run with seed 3 failed: see above, and results/seeds/runs/a/3/logs"
    ):
        call(seed.main, settings, threads=1, **files)
    assert not (tmp_path / "out").exists()


def test_tables_of_runs_with_seeds_of_their_own(tmp_path: Path) -> None:
    claims = "run,sentence,metric,relation,bound\none,It holds.,a,>,net.csv:limit\ntwo,It holds.,a,<,4\n"
    (tmp_path / "claims.csv").write_text(claims)
    runs = [("first", "one", 1), ("first", "one", 2), ("second", "two", 2)]
    metrics = []
    folders = []
    for number, (name, _, number_of_seed) in enumerate(runs):
        folder = tmp_path / name / str(number_of_seed)
        (folder / "tables").mkdir(parents=True)
        (folder / "tables" / "net.csv").write_text("limit\n3.5\n")
        (folder / "metrics.json").write_text(json.dumps({"a": 3 + number}))
        metrics.append(folder / "metrics.json")
        folders.append(folder / "tables")
    settings = {
        "runs": [{"repeated": name, "run": run, "seed": number} for name, run, number in runs],
        "claims": str(tmp_path / "claims.csv"),
        "digest": "",
    }
    outputs = [tmp_path / "seeds.csv", tmp_path / "verdicts.csv"]
    call(seed_tables.main, settings, metrics=metrics, folders=folders, tables=outputs)

    spread = pd.read_csv(outputs[0])
    assert spread.columns[0] == "repeated"
    assert spread[["repeated", "mean", "lowest", "highest"]].to_numpy().tolist() == [
        ["first", 3.5, 3, 4],
        ["second", 5, 5, 5],
    ]
    verdicts = pd.read_csv(outputs[1])
    assert verdicts[["repeated", "run", "seed", "holds"]].to_numpy().tolist() == [
        ["first", "one", 1, False],
        ["first", "one", 2, True],
        ["second", "two", 2, False],
    ]
    assert verdicts["margin"].tolist() == [-0.5, 0.5, -1]
