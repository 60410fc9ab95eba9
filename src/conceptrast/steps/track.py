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
from conceptrast.base.mlflow_store import StoreError, refuse_unusable
from conceptrast.steps.runner import run
from conceptrast.tracking import Record, record

KEPT = "tables and figures are kept, and the same command records them later"


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

    Raises:
        StoreError: the store cannot be used.
    """
    repository = Path(settings["repository"])
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(repository / 'mlflow.db').resolve()}"
    # A store that cannot be used is said before anything is computed.
    try:
        refuse_unusable(store)
    except StoreError as error:
        raise StoreError(f"{error}; {KEPT}") from error

    # What is recorded.
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
    try:
        receipt = record(content, store, repository / "mlartifacts")
    except StoreError as error:
        raise StoreError(f"{error}; {KEPT}") from error
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise StoreError(f"MLflow cannot record the run in {store} ({reason}); {KEPT}") from error
    write_json(receipt, outputs.receipt)


if __name__ == "__main__":
    run(main)
