"""The same run again updates its record; another configuration is another run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conceptrast.tracking import Record, record

CONFIG = {
    "run": "r",
    "experiment": "e",
    "seed": 0,
    "precision": "float32",
    "attribution": {"method": "deeplift"},
    "images_per_class": 3,
    "min_images": 1,
    "datasets": {"d": {"kind": "folder", "pairs": [["a", "b"], ["c", "d"]]}},
    "studies": {"one": {"model": "m", "dataset": "d", "layer": "l"}},
}


def client_of(store: str) -> Any:
    """MLflow takes a second to import: not by whoever lists the tests."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store)


def test_a_repeated_run_updates_its_record_and_another_config_is_a_second_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "figures" / "one" / "overview.png"
    figure.parent.mkdir(parents=True)
    figure.write_bytes(b"png")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    artifacts = tmp_path / "artifacts"
    table = pd.DataFrame({"study": ["one", "two"], "x": [1.0, 2.0]})
    content = Record(
        config=CONFIG,
        tables={"t": table},
        metrics={"concepts/one": 1.0, "concepts/one chance": 0.1, "models/m": 0.9},
        numbers={"one/x": 1.0},
        note="Two of three claims hold.",
        figures=[figure],
        code="c",
        data={"d": "md5"},
        weights={"m": "md5"},
        commit="abc",
    )
    first = record(content, store, artifacts)
    again = record(replace(content, metrics={**content.metrics, "concepts/one": 3.0}), store, artifacts)
    other = record(replace(content, config={**CONFIG, "seed": 1}), store, artifacts)
    assert "INFO" not in capsys.readouterr().err  # nothing of the store among a run's progress
    assert first == again
    assert other["run_id"] != first["run_id"]
    client = client_of(store)
    experiment = client.get_experiment_by_name("e")
    assert len(client.search_runs([experiment.experiment_id])) == 4
    study = client.get_run(first["studies"]["one"])
    assert study.data.metrics == {"concepts": 3.0, "concepts chance": 0.1}
    whole = client.get_run(first["run_id"])
    assert whole.data.metrics == {"concepts/one": 3.0, "concepts/one chance": 0.1, "models/m": 0.9}
    assert whole.data.tags["mlflow.note.content"] == "Two of three claims hold."
    assert [(entry.dataset.name, entry.dataset.source_type) for entry in whole.inputs.dataset_inputs] == [
        ("d", "folder")
    ]
    assert whole.data.params["datasets.d.pairs"] == "a | b, c | d"
    assert "metrics.json" in [item.path for item in client.list_artifacts(whole.info.run_id)]
    assert study.data.tags["mlflow.parentRunId"] == first["run_id"]
    assert study.data.tags["git_commit"] == "abc"
    assert study.data.params["layer"] == "l"
    assert [item.path for item in client.list_artifacts(study.info.run_id, "figures")] == ["figures/overview.png"]
    path = client.download_artifacts(study.info.run_id, "tables/t.csv", str(tmp_path))
    assert pd.read_csv(path)["x"].tolist() == [1.0]


def test_figures_of_a_run_without_studies_keep_their_folders(tmp_path: Path) -> None:
    figures = [tmp_path / "figures" / "latent_bias" / name / "maps.png" for name in ("digits", "pets")]
    for figure in figures:
        figure.parent.mkdir(parents=True)
        figure.write_bytes(b"png")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    content = Record({**CONFIG, "studies": {}}, {}, {"digits/x": 1.0}, figures)
    receipt = record(content, store, tmp_path / "artifacts")
    client = client_of(store)
    assert receipt["studies"] == {}
    assert client.get_run(receipt["run_id"]).data.metrics == {"digits/x": 1.0}
    kept = [item.path for item in client.list_artifacts(receipt["run_id"], "figures/latent_bias")]
    assert kept == ["figures/latent_bias/digits", "figures/latent_bias/pets"]


def test_a_store_that_was_moved_says_where_its_artifacts_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = Record({**CONFIG, "studies": {}}, {}, {"digits/x": 1.0})
    first, second = [tmp_path / name for name in ("first", "second")]
    first.mkdir()
    record(content, f"sqlite:///{first / 'mlflow.db'}", first / "mlruns")
    record(content, f"sqlite:///{first / 'mlflow.db'}", first / "mlruns")
    assert not caplog.records
    first.rename(second)
    record(content, f"sqlite:///{second / 'mlflow.db'}", second / "mlruns")
    [warning] = [entry.getMessage() for entry in caplog.records]
    assert f"in {(first / 'mlruns').as_uri()}, not in {(second / 'mlruns').as_uri()}" in warning
    assert "another one under `experiment`" in warning
