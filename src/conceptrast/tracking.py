"""A run of a configuration as a run of MLflow, with a nested run per study. The only module that imports mlflow.

A tag identifies the configuration, code, data and weights. If all are the same, the run is updated; otherwise there is
a new run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from conceptrast.base.mlflow_store import StoreError

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOGGER = logging.getLogger("conceptrast")

IDENTITY = "conceptrast.identity"

DESCRIPTION = "mlflow.note.content"
"""The tag whose text MLflow shows as a run's description."""

MOST_PARAMETERS = 100
"""Number of parameters that MLflow takes in one request."""

LONGEST_PARAMETER = 500
"""Number of characters of a parameter; longer ones are refused by some stores."""


@dataclass(frozen=True)
class Record:
    """What is recorded of a run.

    Args:
        config: the resolved configuration, with ``run``, ``experiment`` and ``studies``.
        tables: the tables by name; those with a column ``study`` are also split over the nested runs.
        metrics: the headline numbers, ``question/where`` to number, as a list of runs shows them. If ``where`` is the
            name of a study, or that name and ``chance``, the study's run has them, too.
        figures: the figures. A figure in a folder named like a study belongs to that study's run, the others to the
            whole run.
        code: hash of the library files.
        data: fingerprints by dataset.
        weights: fingerprints by model.
        commit: git commit of the repository; empty if there is none.
        numbers: all numbers of the run, kept as the artifact ``metrics.json``.
        note: what was asked and what came out, in Markdown.
    """

    config: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, float]
    figures: Sequence[Path] = ()
    code: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def config_hash(self) -> str:
        """Hash of the resolved configuration."""
        return _digest(self.config)

    @property
    def identity(self) -> str:
        """Hash of everything that the results depend on."""
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
    # A server that stops answering is not asked for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    # How a new store gets its tables is no line of a run's progress.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    # The experiment.
    config = content.config
    client = MlflowClient(tracking_uri=store)
    store_is_local = store.startswith("sqlite:")
    experiment = _experiment(client, config["experiment"], artifacts if store_is_local else None)
    runs = _Runs(client=client, experiment=experiment, content=content)

    # The run as a whole, and a nested one for each study.
    parent = runs.write_whole()
    studies = {name: runs.write_study(name, study, parent) for name, study in config["studies"].items()}
    for run_id in [*studies.values(), parent]:
        client.set_terminated(run_id)
    return {
        "experiment": config["experiment"],
        "identity": content.identity,
        "run_id": parent,
        "studies": studies,
    }


def _experiment(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    """Id of the experiment of this name. It is made if there is none.

    MLflow never moves an experiment's artifacts: after its store was copied or moved, they still go to their old place.

    Raises:
        StoreError: it was deleted: MLflow would record into it, and show nothing.
    """
    location = None if artifacts is None else artifacts.resolve().as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if experiment.lifecycle_stage == "deleted":
            raise StoreError(
                f"the experiment {name!r} is deleted in MLflow's store: `mlflow experiments restore --experiment-id "
                f"{experiment.experiment_id}` brings it back, or name another one under `experiment`"
            )
        if location not in (None, experiment.artifact_location):
            LOGGER.warning(
                "MLflow keeps the artifacts of the experiment %r where it was made: in %s, not in %s. "
                "To keep those of this run here, name another one under `experiment`",
                *(name, experiment.artifact_location, location),
            )
        return str(experiment.experiment_id)
    return str(client.create_experiment(name, artifact_location=location))


@dataclass(frozen=True)
class _Runs:
    """The runs of MLflow that hold one record: the whole, and one for each study."""

    client: MlflowClient
    experiment: str
    content: Record

    @property
    def tags(self) -> dict[str, str]:
        """The inputs of the results, as tags that every run has."""
        tags = {"config_hash": self.content.config_hash, "code": self.content.code}
        tags |= {"git_commit": self.content.commit} if self.content.commit else {}
        tags |= {f"data.{name}": value for name, value in self.content.data.items()}
        tags |= {f"weights.{name}": value for name, value in self.content.weights.items()}
        tags |= {DESCRIPTION: self.content.note} if self.content.note else {}
        return tags

    def write_whole(self) -> str:
        """Write the run that holds everything except the figures of studies, and return its id."""
        content = self.content
        name = f"{content.config['run']}, seed {content.config['seed']}"
        run_id = self._opened(name, content.identity, self.tags)
        self._describe(run_id, tables=content.tables, metrics=content.metrics, settings=content.config)
        self.client.log_dict(run_id, dict(content.config), "config.yaml")
        self.client.log_dict(run_id, dict(content.numbers), "metrics.json")
        self._log_datasets(run_id)
        for figure in content.figures:
            if not set(figure.parts) & set(content.config["studies"]):
                folder = figure.parts[figure.parts.index("figures") : -1] if "figures" in figure.parts else ("figures",)
                self.client.log_artifact(run_id, str(figure), "/".join(folder))
        return run_id

    def write_study(self, name: str, study: Mapping[str, Any], parent: str) -> str:
        """Write the run of one study: its table rows, metrics without prefix, and figures. Return its id."""
        # The run.
        content = self.content
        tags = {**self.tags, "mlflow.parentRunId": parent}
        run_id = self._opened(f"{content.config['run']}: {name}", f"{content.identity}/{name}", tags)

        # Its part of tables, metrics and settings.
        tables = {
            title: table[table["study"] == name] for title, table in content.tables.items() if "study" in table.columns
        }
        metrics = of_study(content.metrics, name)
        shared = {
            key: content.config[key] for key in ("seed", "precision", "attribution", "images_per_class", "min_images")
        }
        self._describe(run_id, tables=tables, metrics=metrics, settings={**study, **shared})

        # Its figures.
        for figure in content.figures:
            if name in figure.parts:
                inside = figure.parts[figure.parts.index(name) + 1 : -1]
                self.client.log_artifact(run_id, str(figure), "/".join(("figures", *inside)))
        return run_id

    def _opened(self, name: str, identity: str, tags: Mapping[str, str]) -> str:
        """Id of the run with this identity. It is made if there is none, and its tags are brought up to date."""
        runs = self.client.search_runs([self.experiment], f"tags.`{IDENTITY}` = '{identity}'", max_results=1)
        run = runs[0] if runs else self.client.create_run(self.experiment, run_name=name)
        run_id = str(run.info.run_id)
        for key, value in {IDENTITY: identity, **tags}.items():
            self.client.set_tag(run_id, key, value)
        return run_id

    def _describe(
        self,
        run_id: str,
        tables: Mapping[str, pd.DataFrame],
        metrics: Mapping[str, float],
        settings: Mapping[str, Any],
    ) -> None:
        """Write tables, metrics and settings into a run."""
        from mlflow.entities import Param

        for title, table in tables.items():
            self.client.log_text(run_id, table.to_csv(index=False), f"tables/{title}.csv")
        for key, value in metrics.items():
            self.client.log_metric(run_id, key, value)
        logged = self.client.get_run(run_id).data.params
        # MLflow refuses to change a parameter. That is fine: the same identity has the same parameters.
        fresh = [Param(name, setting) for name, setting in flat(settings).items() if name not in logged]
        for start in range(0, len(fresh), MOST_PARAMETERS):
            self.client.log_batch(run_id, params=fresh[start : start + MOST_PARAMETERS])

    def _log_datasets(self, run_id: str) -> None:
        """Log the datasets of the run with their fingerprints, once."""
        from mlflow.entities import Dataset, DatasetInput

        before = self.client.get_run(run_id).inputs
        logged = {entry.dataset.name for entry in before.dataset_inputs} if before else set()
        inputs = []
        for name, entry in self.content.config.get("datasets", {}).items():
            if name not in logged:
                digest = _digest(self.content.data.get(name, ""))
                source = json.dumps(entry, sort_keys=True)
                inputs.append(DatasetInput(Dataset(name, digest, source_type=str(entry["kind"]), source=source)))
        if inputs:
            self.client.log_inputs(run_id, inputs)


def of_study(metrics: Mapping[str, float], study: str) -> dict[str, float]:
    """The headline numbers of one study, without its name.

    Example:
        >>> of_study({"concepts/a": 1.0, "concepts/a chance": 0.1, "concepts/b": 0.5}, "a")
        {'concepts': 1.0, 'concepts chance': 0.1}
    """
    numbers = {}
    for name, value in metrics.items():
        question, _, where = name.partition("/")
        if where in (study, f"{study} chance"):
            numbers[question + where.removeprefix(study)] = value
    return numbers


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings by dotted key, as plain text. What is longer than a parameter can be is cut: the artifact
    ``config.yaml`` has it all.

    Example:
        >>> flat({"seed": 0, "recipes": {"mine": {"window": "cell", "sizes": [1, 2]}}, "pairs": [["a", "b"]]})
        {'seed': '0', 'recipes.mine.window': 'cell', 'recipes.mine.sizes': '1, 2', 'pairs': 'a | b'}
    """
    parameters: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            parameters |= flat(value, f"{name}.")
        else:
            parameters[name] = _text(value)[:LONGEST_PARAMETER]
    return parameters


def _text(value: Any) -> str:
    """A setting as plain text: lists with commas, pairs with a stroke."""
    if isinstance(value, list):
        return ", ".join(" | ".join(map(_text, item)) if isinstance(item, list) else _text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
