"""Tables and metrics of a run, from its folder or from a commit."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from conceptrast.base.errors import DataError, unknown_name
from conceptrast.base.files import MISSING

RUN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)


@dataclass(frozen=True)
class Results:
    """Tables and metrics of one run.

    Args:
        name: what messages call them, e.g. ``results/default`` or ``HEAD``.
        metrics: the run's ``metrics.json``.
        tables: its tables by name.
    """

    name: str
    metrics: Mapping[str, float]
    tables: Mapping[str, pd.DataFrame]


def repository_above(folder: Path) -> Path:
    """The repository that holds ``folder``: the nearest folder with a ``Snakefile``.

    Raises:
        DataError: there is none.
    """
    for candidate in (folder, *folder.parents):
        if (candidate / "Snakefile").is_file():
            return candidate
    raise DataError(f"{folder} is in no repository of this project: neither it nor a folder above it has a Snakefile")


def finished_runs(repository: Path) -> list[str]:
    """Names of the runs whose metrics are in ``results/``."""
    return sorted(path.parent.name for path in (repository / "results").glob("*/metrics.json"))


def results_of_run(repository: Path, run: str) -> Results:
    """What is in ``results/<run>/`` now.

    Raises:
        DataError: there is no such run, it is not finished, or one of its files cannot be read.
    """
    folder = repository / "results" / run
    if not RUN_NAME.fullmatch(run) or not folder.is_dir():
        raise DataError(unknown_name("run", run, finished_runs(repository)))
    if not (folder / "metrics.json").is_file():
        raise DataError(f"the run '{run}' is not finished: results/{run}/metrics.json does not exist")
    files = [folder / "metrics.json", *sorted((folder / "tables").glob("*.csv"))]
    return results_in(f"results/{run}", {path.name: path.read_bytes() for path in files})


def commit_of(repository: Path, revision: str) -> str:
    """Hash of the commit of a revision of git.

    Raises:
        DataError: git is missing, this is no git repository, or there is no such revision.
    """
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        commit = _git(repository, *words)
    except FileNotFoundError:
        raise DataError("git is not installed") from None
    if commit.returncode:
        inside = _git(repository, "rev-parse", "--git-dir").returncode == 0
        raise DataError(f"git has no revision {revision!r}" if inside else "this is no git repository")
    return commit.stdout.decode().strip()


def results_at(repository: Path, run: str, revision: str) -> Results:
    """What ``results/<run>/`` was at a revision of git.

    Raises:
        DataError: as :func:`commit_of`; or the revision has no such results.
    """
    archive = _git(repository, "archive", commit_of(repository, revision), f"results/{run}")
    if archive.returncode:
        raise DataError(f"{revision} has no results/{run}")
    folder = PurePosixPath("results", run)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as members:
        files = {
            place.name: stream.read()
            for member in members
            if (place := PurePosixPath(member.name)) == folder / "metrics.json" or place.match(f"{folder}/tables/*.csv")
            if (stream := members.extractfile(member)) is not None
        }
    if "metrics.json" not in files:
        raise DataError(f"{revision} has no results/{run}/metrics.json")
    return results_in(revision, files)


def results_in(name: str, files: Mapping[str, bytes]) -> Results:
    """Results from the contents of ``metrics.json`` and of the tables, by the names of the files.

    Raises:
        DataError: a file cannot be read.

    Example:
        >>> files = {"metrics.json": b'{"net/accuracy": 0.9}', "models.csv": b"model,epochs\\nnet,2"}
        >>> results = results_in("mine", files)
        >>> results.metrics, results.tables["models"]["epochs"].item()
        ({'net/accuracy': 0.9}, 2)
    """
    try:
        metrics = json.loads(files["metrics.json"])
    except ValueError as error:
        raise DataError(f"{name}: metrics.json is no JSON: {error}") from None
    if not isinstance(metrics, dict) or not all(_is_number(value) for value in metrics.values()):
        raise DataError(f"{name}: metrics.json must hold one object of numbers by name")
    tables = {}
    for file, content in files.items():
        if file.endswith(".csv"):
            try:
                tables[file.removesuffix(".csv")] = pd.read_csv(io.BytesIO(content), dtype={"bound": str}, **MISSING)
            except ValueError as error:
                raise DataError(f"{name}: {file} is no table: {error}") from None
    return Results(name=name, metrics=metrics, tables=tables)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=False)
