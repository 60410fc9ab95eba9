"""How far do results hold? Whole runs are carried out again with other seeds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field

from conceptrast.base.errors import ConfigError
from conceptrast.models.published import file_fingerprint
from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import Config, EntryName, FileName, Section, Unique, key

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

CLAIMS = os.path.join("docs", "claims.csv")
"""File of the claims in the repository."""

Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Unique]


class Repetition(Section):
    """A run that is carried out once for each seed."""

    config: FileName = key("file of the run's configuration, without `seeds` of its own")
    seeds: Seeds = key("each is the key `seed` of one of the runs", [1, 2, 3, 4, 5])


def seed(plan: Plan, repeated: str, seed: str) -> Config:
    """Settings of one run: where it is carried out, and what its results depend on."""
    again = repeated_plan(plan, repeated, int(seed))
    ignored = ("run", "experiment", "workers")
    return {
        "config": plan.entries("seeds")[repeated]["config"],
        "run": f"{plan.resolved['run']}/runs/{repeated}/{seed}",
        "seed": int(seed),
        "repository": os.path.relpath(".", plan.folder),
        "made_of": {
            "config": {name: value for name, value in again.resolved.items() if name not in ignored},
            "data": again.data_fingerprints,
            "weights": again.model_fingerprints,
        },
    }


def seed_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    repository = plan.source.parents[1]
    return {
        "runs": [
            {"repeated": name, "run": _content(_file(entry["config"], repository))["run"], "seed": seed}
            for name, entry in plan.resolved["seeds"].items()
            for seed in entry["seeds"]
        ],
        "claims": os.path.join(os.path.relpath(".", plan.folder), CLAIMS),
        "digest": file_fingerprint(repository / CLAIMS),
    }


def repeated_plan(plan: Plan, repeated: str, seed: int) -> Plan:
    """The plan of a repeated run, as it is seen from the folder of this one."""
    from conceptrast.plan.plan import Plan

    content = _content(_file(plan.resolved["seeds"][repeated]["config"], plan.source.parents[1]))
    return Plan.read({**content, "run": plan.resolved["run"], "seed": seed}, plan.source)


def repeated_runs(plan: Plan) -> list[str]:
    """``<name>/<seed>`` of every run that is carried out."""
    return [f"{name}/{seed}" for name, entry in plan.entries("seeds").items() for seed in entry["seeds"]]


def implementations(plan: Plan, repeated: str, seed: str = "", **_: str) -> list[str]:
    """All modules that a repeated run needs."""
    first = plan.entries("seeds")[repeated]["seeds"][0]
    return sorted(repeated_plan(plan, repeated, int(seed or first)).run_modules())


def datasets(_entry: Config, **_: str) -> list[str]:
    """None: the repeated run reads pictures, not its job here."""
    return []


def entry_problems(entry: Config, _config: Config, source: Path) -> Iterator[str]:
    """Refuse a configuration that is missing, wrong, or repeats runs itself."""
    from conceptrast.plan.configuration import checked

    name = entry["config"]
    file = _file(name, source.parents[1])
    if not file.is_file():
        yield f".config': file {file} does not exist"
        return
    try:
        content = _content(file)
        if "seeds" in content:
            yield f".config': {name} has the key 'seeds': name a configuration that repeats no run"
        else:
            checked(content, source)
    except ConfigError as error:
        yield from (f".config': {name}: {line}" for line in str(error).splitlines())


def _file(name: str, repository: Path) -> Path:
    """A file that is named relative to the repository."""
    return repository / os.path.expanduser(name)


def _content(file: Path) -> Config:
    """What a configuration says.

    Raises:
        ConfigError: the file is not YAML, or holds no keys.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"it is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError("it holds no keys; a configuration has at least 'run'")
    return content


ANALYSIS = Analysis(
    name="seeds",
    question="How far do the results hold?",
    sections={"seeds": (dict[EntryName, Repetition], key("runs that are carried out with several seeds, by name", {}))},
    entries="seeds",
    wildcard="repeated",
    steps={
        "seed": Step(settings=seed, implementations=implementations),
        "seed_tables": Step(settings=seed_tables),
    },
    tables=(
        Table(name="seeds", step="seed_tables", words=("{metric}",), headlines=("mean",)),
        Table(name="claims", step="seed_tables"),
    ),
    folders=("seeds",),
    datasets=datasets,
    entry_problems=entry_problems,
    report={"seeds_table": ("Seeds", None, {})},
)
