"""Record a run in MLflow. The receipt holds the id of the record."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.atlas.answers import answers
from conceptrast.atlas.atlas import checked_claims
from conceptrast.atlas.headlines import headline_numbers, note_of
from conceptrast.atlas.run_files import RunFiles, description_of
from conceptrast.base.files import read_json, read_table, write_json
from conceptrast.steps.runner import run
from conceptrast.tracking import Record, record


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A manifest lists the files of a folder: the folder has the manifest's name and lies beside it."""

    tables: list[Path]
    metrics: Path
    figures: list[Path]
    manifests: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The id of the run in MLflow."""

    receipt: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Record the run. Settings: those of :class:`~conceptrast.atlas.run_files.Description`, repository, claims.

    The store is ``MLFLOW_TRACKING_URI``, or a store in the clone.
    """
    repository = Path(settings["repository"])
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(repository / 'mlflow.db').resolve()}"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=False)
    folder_figures = [path.with_suffix("") / name for path in inputs.manifests for name in read_table(path)["file"]]
    files = RunFiles(inputs.metrics.parent, description_of(settings))
    claims = checked_claims(files, Path(settings["claims"]))
    answered = answers(files, claims)
    content = Record(
        config=settings["config"],
        tables={path.stem: read_table(path) for path in inputs.tables},
        metrics=headline_numbers(answered),
        numbers=read_json(inputs.metrics),
        note=note_of(answered, claims.summary),
        figures=[*inputs.figures, *folder_figures],
        code=settings["code"],
        data=settings["data"],
        weights=settings["weights"],
        commit=commit.stdout.strip(),
    )
    write_json(record(content, store, repository / "mlartifacts"), outputs.receipt)


if __name__ == "__main__":
    run(main)
