"""Record a run with DVC: ``python -m conceptrast.plan.record config/imagenette.yaml``, or ``make record CONFIG=…``.

The command works in the root of the repository. It writes the run's stage into ``dvc.yaml`` and starts ``dvc repro``,
which makes missing results and records all of them. Then it records the photographs that the run fetched. It pushes
and commits nothing; it prints the two commands that do.

Photographs are recorded in ``photographs/<folder>.dvc`` and not in a stage, because several runs may read the same
ones, and DVC allows only one owner of a folder. The file does not lie beside the pictures. There it would give their
fingerprint, and all earlier results would look out of date.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from conceptrast.base.errors import ConceptrastError, ConfigError
from conceptrast.plan.config_lines import lines_of, located
from conceptrast.plan.configuration import inner_dataset
from conceptrast.plan.dvc_stage import plots_of, stage_name, stage_of, write_stage
from conceptrast.plan.plan import Plan, prepare_environment
from conceptrast.plan.provenance import registry

PHOTOGRAPHS = "photographs"
"""Folder of the files in which DVC records photographs."""


def read_plan(repository: Path, config: str) -> Plan:
    """The plan of a configuration file of this repository.

    Raises:
        ConfigError: the file is missing, is not YAML, or something in it is wrong.
    """
    file = repository / config
    if not file.is_file():
        raise ConfigError(f"the configuration {config} does not exist")
    lines_of(file, config)
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ConfigError(f"{config} holds no keys; a configuration has at least 'run', 'datasets' and 'models'")
    try:
        return Plan.read(content, source=repository / "src" / "conceptrast")
    except ConceptrastError as error:
        raise ConfigError(located(str(error), {config: file})) from None


def fetched_folders(plan: Plan) -> list[str]:
    """Folders, relative to the repository, of the photographs that the run's datasets fetch."""
    return sorted(set(_fetched(plan)))


def _fetched(plan: Plan) -> Iterator[str]:
    kinds = registry(plan.source, "data", "DATASET_KINDS")
    for dataset in plan.resolved["datasets"].values():
        for entry in filter(None, (dataset, inner_dataset(dataset))):
            module, _, name = kinds[entry["kind"]].partition(":")
            if hasattr(getattr(import_module(module), name), "fetch"):
                yield entry["root"]


def write_photographs_file(repository: Path, folder: str) -> str | None:
    """Make the file in which DVC records a folder of photographs, if there is none yet.

    Args:
        repository: its root.
        folder: folder of the photographs, relative to the repository.

    Returns:
        The file, relative to the repository. It is ``None`` if DVC cannot or need not record the folder: the folder is
        not there, it lies outside the repository, or the user has put it under DVC (``<folder>.dvc``).

    Example:
        >>> import tempfile
        >>> repository = Path(tempfile.mkdtemp())
        >>> (repository / "data" / "pets").mkdir(parents=True)
        >>> file = write_photographs_file(repository, "data/pets")
        >>> file
        'photographs/pets.dvc'
        >>> print((repository / file).read_text().strip())
        wdir: ../data
        outs:
        - path: pets
    """
    place = Path(folder)
    outside = place.is_absolute() or ".." in place.parts or folder.startswith("~")
    if outside or not (repository / place).is_dir() or (repository / f"{place}.dvc").is_file():
        return None
    parts = place.parts[1:] if place.parts[0] == "data" and len(place.parts) > 1 else place.parts
    file = Path(PHOTOGRAPHS, "-".join(parts) + ".dvc")
    if not (repository / file).is_file():
        (repository / PHOTOGRAPHS).mkdir(exist_ok=True)
        content = {"wdir": (".." / place.parent).as_posix(), "outs": [{"path": place.name}]}
        (repository / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file.as_posix()


def unrecorded(repository: Path) -> list[str]:
    """Stages of ``dvc.yaml`` without a record in ``dvc.lock``. If there are any, plain ``dvc pull`` fails."""
    recorded = _stages(repository / "dvc.lock")
    return [name for name in _stages(repository / "dvc.yaml") if name not in recorded]


def _stages(file: Path) -> dict[str, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    return (content or {}).get("stages") or {}


def record(repository: Path, config: str) -> int:
    """Record a run and its photographs.

    Args:
        repository: its root.
        config: file of the run's configuration, relative to the repository.

    Returns:
        Exit code: 0, or DVC's code if DVC fails.

    Raises:
        ConfigError: the configuration is wrong, or another configuration has a run of the same name.
    """
    # The stage.
    plan = read_plan(repository, config)
    run = plan.resolved["run"]
    name = stage_name(run)
    stage = stage_of(run, config, plan.folders)
    write_stage(repository / "dvc.yaml", name, stage, plots=plots_of(run, plan.plots))

    # The run: DVC starts Snakemake, which makes what is missing.
    prepare_environment(repository)
    if code := _dvc(repository, "repro", name):
        return code

    # The photographs, which are there after the run.
    folders = {folder: write_photographs_file(repository, folder) for folder in fetched_folders(plan)}
    files = [file for file in folders.values() if file is not None]
    if files and (code := _dvc(repository, "commit", "-q", "-f", *files)):
        return code
    _say_what_is_next(repository, plan, folders)
    return 0


def _dvc(repository: Path, *arguments: str) -> int:
    return subprocess.run(["dvc", *arguments], cwd=repository, check=False).returncode


def _say_what_is_next(repository: Path, plan: Plan, folders: dict[str, str | None]) -> None:
    """Print what was recorded, and the commands that share it."""
    files = [file for file in folders.values() if file is not None]
    recorded = [plan.folder, *(folder for folder, file in folders.items() if file is not None)]
    added = ["dvc.yaml", "dvc.lock", "results", *([PHOTOGRAPHS] if files else [])]
    run = plan.resolved["run"]
    print(f"recorded: {', '.join(recorded)}")
    print("share it: conceptrast push")
    print(f"          git add {' '.join(added)} && git commit -m 'Results of {run}'")
    if waiting := unrecorded(repository):
        pulled = " ".join([stage_name(run), *files])
        print(f"not recorded: {', '.join(waiting)}; until then, plain `dvc pull` ends with an error elsewhere.")
        print(f"          Pull this run by name: dvc pull {pulled}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the run of the configuration that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m conceptrast.plan.record", description="Record a run with DVC, from the root of the repository."
    )
    parser.add_argument("config", help="file of the run's configuration, e.g. config/imagenette.yaml")
    repository = Path.cwd()
    config = Path(parser.parse_args(arguments).config)
    try:
        if not (repository / "Snakefile").is_file():
            raise ConfigError(f"{repository} is not the root of the repository: it holds no Snakefile")
        if not config.resolve().is_relative_to(repository):
            raise ConfigError(
                f"the configuration {config} lies outside the repository {repository}: copy it to config/"
            )
        return record(repository, config.resolve().relative_to(repository).as_posix())
    except ConceptrastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
