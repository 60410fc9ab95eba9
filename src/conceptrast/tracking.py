"""A run of a configuration as a run of MLflow, with a nested run per study. The only module that imports mlflow.

The same configuration, code, data and weights find their run again by a tag and update it; anything else is a new run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from mlflow import MlflowClient

IDENTITY = "conceptrast.identity"


@dataclass(frozen=True)
class Record:
    """What is recorded of a run.

    Args:
        config: the resolved configuration, with ``run``, ``experiment`` and ``studies``.
        tables: by name; those with a column ``study`` are also split over the nested runs.
        metrics: flat, ``study/metric`` (or ``model/metric``) to number.
        figures: pictures; one in a folder named like a study belongs to that study's run, others to the whole.
        code: hash of the library files.
        data: fingerprints by dataset.
        weights: fingerprints by model.
        commit: git commit of the repository; empty if there is none.
    """

    config: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, float]
    figures: Sequence[Path] = ()
    code: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""

    @property
    def config_hash(self) -> str:
        """Hash of the resolved configuration."""
        return _digest(self.config)

    @property
    def identity(self) -> str:
        """Hash of all that the results follow from."""
        return _digest([self.config, self.code, self.data, self.weights])


def record(content: Record, store: str, artifacts: Path) -> dict[str, Any]:
    """Write a run into MLflow's store, or update the one that has the same identity.

    Args:
        content: what to write.
        store: tracking URI, e.g. ``sqlite:///mlflow.db``; created if it does not exist.
        artifacts: folder for files of a new experiment in a local store; a server chooses its own.

    Returns:
        Receipt: experiment, run_id, identity, and run ids of the studies.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    experiment = _experiment(client, content.config["experiment"], artifacts if store.startswith("sqlite:") else None)
    tags = {IDENTITY: content.identity, "config_hash": content.config_hash, "code": content.code}
    tags |= {"git_commit": content.commit} if content.commit else {}
    tags |= {f"data.{name}": value for name, value in content.data.items()}
    tags |= {f"weights.{name}": value for name, value in content.weights.items()}
    parent = _run(client, experiment, content.config["run"], content.identity, tags)
    _describe(client, parent, content.tables, content.metrics, content.config)
    client.log_dict(parent, dict(content.config), "config.yaml")
    for figure in content.figures:
        if not set(figure.parts) & set(content.config["studies"]):
            folder = figure.parts[figure.parts.index("figures") : -1] if "figures" in figure.parts else ("figures",)
            client.log_artifact(parent, str(figure), "/".join(folder))
    studies = {
        name: _nested(client, experiment, parent, name, study, content, tags)
        for name, study in content.config["studies"].items()
    }
    for run_id in [*studies.values(), parent]:
        client.set_terminated(run_id)
    return {
        "experiment": content.config["experiment"],
        "identity": content.identity,
        "run_id": parent,
        "studies": studies,
    }


def _nested(
    client: MlflowClient,
    experiment: str,
    parent: str,
    name: str,
    study: Mapping[str, Any],
    content: Record,
    tags: Mapping[str, str],
) -> str:
    """The run of one study: its rows of every table, its metrics without their prefix, its figures."""
    own_tags = {**tags, IDENTITY: f"{content.identity}/{name}", "mlflow.parentRunId": parent}
    run_id = _run(client, experiment, f"{content.config['run']}: {name}", own_tags[IDENTITY], own_tags)
    tables = {
        title: table[table["study"] == name] for title, table in content.tables.items() if "study" in table.columns
    }
    prefix = f"{name}/"
    metrics = {key.removeprefix(prefix): value for key, value in content.metrics.items() if key.startswith(prefix)}
    shared = {
        key: content.config[key] for key in ("seed", "precision", "attribution", "images_per_class", "min_images")
    }
    _describe(client, run_id, tables, metrics, {**study, **shared})
    for figure in content.figures:
        if name in figure.parts:
            inside = figure.parts[figure.parts.index(name) + 1 : -1]
            client.log_artifact(run_id, str(figure), "/".join(("figures", *inside)))
    return run_id


def _describe(
    client: MlflowClient,
    run_id: str,
    tables: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, float],
    settings: Mapping[str, Any],
) -> None:
    for title, table in tables.items():
        client.log_text(run_id, table.to_csv(index=False), f"tables/{title}.csv")
    for key, value in metrics.items():
        client.log_metric(run_id, key, value)
    known = client.get_run(run_id).data.params
    for name, setting in _flat(settings).items():
        # MLflow refuses to change a parameter; the same identity has the same parameters.
        if name not in known:
            client.log_param(run_id, name, setting)


def _experiment(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None if artifacts is None else artifacts.resolve().as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _run(client: MlflowClient, experiment: str, name: str, identity: str, tags: Mapping[str, str]) -> str:
    """Id of the run with this identity, made if there is none; its tags are up to date."""
    found = client.search_runs([experiment], f"tags.`{IDENTITY}` = '{identity}'", max_results=1)
    run_id = str(found[0].info.run_id if found else client.create_run(experiment, run_name=name).info.run_id)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    return run_id


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Scalars of a configuration by dotted key; whole parts beyond the second level as JSON."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {
                f"{key}.{inner}": item if isinstance(item, str) else json.dumps(item) for inner, item in value.items()
            }
        else:
            flat[key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
