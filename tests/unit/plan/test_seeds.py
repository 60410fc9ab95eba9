"""Runs that are repeated with several seeds: what their jobs depend on, and configurations that cannot be repeated."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from conceptrast.base.errors import ConfigError
from conceptrast.plan.configuration import checked
from conceptrast.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "conceptrast"
SMALL: dict[str, Any] = {
    "run": "small",
    "workers": 0,
    "datasets": {"mine": {"kind": "image_folder", "root": "data/mine", "train_share": 0.5}},
    "models": {"net": {"architecture": "lenet"}},
    "dff": {"all": {"model": "net", "dataset": "mine", "layer": "relu2"}},
}


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the library and one configuration; the process works in the folder of a run."""
    for folder in ("results/seeds", "config", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(SOURCE, tmp_path / "src" / "conceptrast", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "config" / "small.yaml").write_text(yaml.safe_dump(SMALL))
    (tmp_path / "docs" / "claims.csv").write_text("run,sentence,metric,relation,bound\n")
    monkeypatch.chdir(tmp_path / "results" / "seeds")
    return tmp_path


def repeating(repository: Path, **change: Any) -> Plan:
    """A run that repeats config/small.yaml, whose keys are changed first, with the seeds 3 and 4."""
    (repository / "config" / "small.yaml").write_text(yaml.safe_dump({**SMALL, **change}))
    config = {"run": "seeds", "seeds": {"again": {"config": "config/small.yaml", "seeds": [3, 4]}}}
    return Plan.read(config, repository / "src" / "conceptrast")


def job(plan: Plan, seed: str = "3") -> tuple[dict[str, Any], str]:
    """Settings and code of the job of one seed."""
    return plan.settings("seed", repeated="again", seed=seed), plan.code("seed", repeated="again", seed=seed)


def test_the_job_of_a_seed_carries_out_the_run_in_a_folder_of_its_own(inside: Path) -> None:
    settings, _ = job(repeating(inside))
    assert (settings["run"], settings["seed"]) == ("seeds/runs/again/3", 3)
    assert (inside / "results" / "seeds" / settings["config"]).resolve() == inside / "config" / "small.yaml"
    assert (inside / "results" / "seeds" / settings["repository"]).resolve() == inside
    content = yaml.safe_load((inside / "config" / "small.yaml").read_text())
    nested = Plan.read({**content, "run": settings["run"], "seed": 3}, inside / "src" / "conceptrast")
    assert nested.folder == "results/seeds/runs/again/3"
    assert nested.datasets["mine"]["root"] == "../../../../../data/mine"


def test_a_job_depends_on_what_its_run_depends_on_and_on_no_more(inside: Path) -> None:
    before = job(repeating(inside))
    assert job(repeating(inside, run="other", experiment="mine", workers=3)) == before
    assert job(repeating(inside), seed="4")[0] != before[0]
    assert job(repeating(inside, batch_size=3))[0] != before[0]
    assert job(repeating(inside, seed=9)) == before


def test_a_job_depends_on_the_pictures_of_its_run(inside: Path) -> None:
    before = job(repeating(inside))
    for split in ("a", "b"):
        (inside / "data" / "mine" / split).mkdir(parents=True)
        (inside / "data" / "mine" / split / "1.png").write_bytes(b"1")
    after = job(repeating(inside))
    assert after[0]["made_of"]["data"] != before[0]["made_of"]["data"]


@pytest.mark.parametrize(
    ("file", "depends"),
    [("steps/dff.py", True), ("dff/table.py", True), ("steps/seed.py", True), ("ace/tcav.py", False)],
)
def test_a_job_depends_on_the_library_that_its_run_reaches(inside: Path, file: str, depends: bool) -> None:
    plan = repeating(inside)
    before = (job(plan)[1], plan.run_code())
    with (inside / "src" / "conceptrast" / file).open("a") as stream:
        stream.write("\n# edited\n")
    after = (job(plan)[1], plan.run_code())
    assert (after[0] != before[0], after[1] != before[1]) == (depends, depends)


def test_tables_of_seeds_depend_on_the_claims(inside: Path) -> None:
    plan = repeating(inside)
    before = plan.settings("seed_tables")
    assert before["runs"] == [{"repeated": "again", "run": "small", "seed": seed} for seed in (3, 4)]
    (inside / "docs" / "claims.csv").write_text("other")
    after = plan.settings("seed_tables")
    assert {name for name in before if before[name] != after[name]} == {"digest"}
    assert plan.tables == {"seed_tables": ["seeds", "claims"]}
    assert plan.folders == ["seeds"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("run: small\nseeds: {}\n", "config/mine.yaml has the key 'seeds': name a configuration that repeats no run"),
        ("run: [", "config/mine.yaml: it is no YAML"),
        ("- run\n", "config/mine.yaml: it holds no keys"),
        ("run: small\nimages: 3\n", "config/mine.yaml: config: unknown key 'images'; nearest: "),
        ("run: small\n", "config/mine.yaml: config: key 'studies' is missing: the run has nothing to do"),
        (None, "file .*config/mine.yaml does not exist"),
    ],
)
def test_a_configuration_that_cannot_be_repeated_is_named(inside: Path, content: str | None, message: str) -> None:
    if content is not None:
        (inside / "config" / "mine.yaml").write_text(content)
    config = {"run": "seeds", "seeds": {"again": {"config": "config/mine.yaml"}}}
    with pytest.raises(ConfigError, match=rf"config: 'seeds.again.config': {message}"):
        checked(config, inside / "src" / "conceptrast")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "key 'config' is missing in 'seeds.again'"),
        ({"config": "config/small.yaml", "seeds": []}, "key 'seeds.again.seeds': .* is too short"),
        ({"config": "config/small.yaml", "seeds": [1, 1]}, "non-unique"),
        ({"config": "config/small.yaml", "seeds": [-1]}, "must be at least 0"),
    ],
)
def test_mistakes_in_an_entry_are_named(inside: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked({"run": "seeds", "seeds": {"again": entry}}, inside / "src" / "conceptrast")


def test_a_run_that_names_datasets_needs_some(inside: Path) -> None:
    with pytest.raises(ConfigError, match="config: key 'datasets' is missing"):
        checked({**SMALL, "datasets": {}}, inside / "src" / "conceptrast")


def test_the_run_of_the_project_repeats_the_default_run_with_five_seeds() -> None:
    plan = Plan.read(yaml.safe_load((ROOT / "config" / "seeds.yaml").read_text()), SOURCE)
    assert [(entry["run"], entry["seed"]) for entry in plan.settings("seed_tables")["runs"]] == [
        ("default", seed) for seed in (1, 2, 3, 4, 5)
    ]
