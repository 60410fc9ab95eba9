"""Carry out a whole run with another seed, up to its tables and metrics."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.files import atomic
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """No files; the cores that the run may use."""

    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Metrics, and a folder of the tables."""

    metrics: Path
    tables: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Start Snakemake for the run and copy what it came to.

    The run has a folder of its own, so a run that was stopped goes on. It makes no figures and is not recorded in
    MLflow. Settings: config, run, seed, repository, made_of.

    Raises:
        ConceptrastError: the run has failed.
    """
    # The run. No other run works in its folder, so a lock there is one that a killed run has left.
    repository = Path(settings["repository"]).resolve()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "metrics.json",
        "--nolock",
        "--cores",
        str(inputs.threads),
        "--quiet",
        "rules",
    ]
    command += ["--configfile", str(Path(settings["config"]).resolve())]
    command += ["--config", f"run={settings['run']}", f"seed={settings['seed']}"]
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
    snakemake = subprocess.Popen(command, cwd=repository, env=environment)
    # When this step is told to end, so is Snakemake, which first lets its running jobs end.
    handler = signal.signal(signal.SIGTERM, lambda *_: snakemake.terminate())
    status = snakemake.wait()
    signal.signal(signal.SIGTERM, handler)
    folder = repository / "results" / settings["run"]
    if status:
        logs = f"{os.path.relpath(folder, repository)}/logs"
        raise ConceptrastError(f"the run with seed {settings['seed']} failed: see above, and {logs}")

    # Its results.
    shutil.copytree(folder / "tables", outputs.tables, dirs_exist_ok=True)
    with atomic(outputs.metrics) as part:
        shutil.copyfile(folder / "metrics.json", part)


if __name__ == "__main__":
    run(main)
