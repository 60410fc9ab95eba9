"""Record a run in MLflow; the receipt says under which id."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_json
from conceptrast.steps.runner import run
from conceptrast.tracking import Record, record


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A manifest lists the files of the folder that it lies beside and that has its name."""

    tables: list[Path]
    metrics: Path
    figures: list[Path]
    manifests: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The id of the run in MLflow."""

    receipt: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Settings: config, code, data, weights, repository.

    The store is ``MLFLOW_TRACKING_URI`` or the clone's own.
    """
    repository = Path(settings["repository"])
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(repository / 'mlflow.db').resolve()}"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=False)
    folder_figures = [path.with_suffix("") / name for path in inputs.manifests for name in read_table(path)["file"]]
    content = Record(
        config=settings["config"],
        tables={path.stem: read_table(path) for path in inputs.tables},
        metrics=read_json(inputs.metrics),
        figures=[*inputs.figures, *folder_figures],
        code=settings["code"],
        data=settings["data"],
        weights=settings["weights"],
        commit=commit.stdout.strip(),
    )
    write_json(record(content, store, repository / "mlartifacts"), outputs.receipt)


if __name__ == "__main__":
    run(main)
