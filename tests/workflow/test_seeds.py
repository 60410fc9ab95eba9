"""A small run that is repeated with two seeds: what it comes to, what reruns it, and what `verify` says of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from conceptrast.base.files import read_json

from .copies import Copy

SMALL = {
    "run": "small",
    "datasets": {"digits": {"kind": "digits", "train": 10, "validation": 10}},
    "models": {"lenet": {"architecture": "lenet"}},
    "dff": {"all": {"model": "lenet", "dataset": "digits", "layer": "relu2", "images": 2, "components": [2]}},
}
CLAIMS = """run,sentence,metric,relation,bound
small,The layer is not made up.,all/reconstruction_error_k2,>,0
small,The seed changes nothing.,all/reconstruction_error_k2,==,{first}
default,Of another run.,lenet/accuracy,>,2
"""


def repeating(folder: Path) -> Copy:
    """A copy of the repository that repeats a small run with the seeds 1 and 2."""
    copy = Copy.of_repository(folder)
    (copy.folder / "config" / "small.yaml").write_text(yaml.safe_dump(SMALL))
    seeds = {"run": "seeds", "seeds": {"small": {"config": "config/small.yaml", "seeds": [1, 2]}}}
    (copy.folder / "config" / "seeds.yaml").write_text(yaml.safe_dump(seeds))
    (copy.folder / "docs" / "claims.csv").write_text(CLAIMS.format(first=0))
    copy.commit("before")
    return copy


def verify(copy: Copy, *words: str) -> tuple[int, str]:
    """Exit status and output of `conceptrast verify`."""
    library = {"PYTHONPATH": str(copy.folder / "src")}
    done = copy.run("python", "-m", "conceptrast.cli", "verify", *words, env=library)
    return done.returncode, done.stdout + done.stderr


def test_a_run_is_repeated_with_every_seed_and_its_claims_are_checked(tmp_path: Path) -> None:
    copy = repeating(tmp_path / "clone")
    assert copy.planned("--configfile", "config/seeds.yaml") == {"seed": 2, "seed_tables": 1, "metrics": 1, "track": 1}
    done = copy.snakemake("--configfile", "config/seeds.yaml")
    assert done.returncode == 0, done.stdout + done.stderr

    # Numbers of both runs; these themselves are recorded nowhere else.
    results = copy.folder / "results" / "seeds"
    runs = [read_json(results / "runs" / "small" / seed / "metrics.json") for seed in ("1", "2")]
    spread = pd.read_csv(results / "tables" / "seeds.csv").set_index("metric").loc["all/reconstruction_error_k2"]
    values = [metrics["all/reconstruction_error_k2"] for metrics in runs]
    assert spread[["seed_1", "seed_2"]].tolist() == values
    assert spread["lowest"] < spread["mean"] < spread["highest"]
    assert not list(results.glob("runs/*/*/tracked.json"))
    assert read_json(results / "metrics.json")["small/mean_all/reconstruction_error_k2"] == spread["mean"]

    # Claims about the repeated run, and no others; they alone are checked again when they change.
    claims = pd.read_csv(results / "tables" / "claims.csv")
    assert claims[["run", "seed", "holds"]].to_numpy().tolist() == [
        *(["small", 1, True], ["small", 1, False], ["small", 2, True], ["small", 2, False]),
    ]
    assert copy.planned("--configfile", "config/seeds.yaml") == {}
    (copy.folder / "docs" / "claims.csv").write_text(CLAIMS.format(first=values[0]))
    status, report = verify(copy, "seeds")
    assert status == 1
    assert "NOT CHECKED: it is newer than this run" in report
    assert copy.planned("--configfile", "config/seeds.yaml") == {"seed_tables": 1, "metrics": 1, "track": 1}
    done = copy.snakemake("--configfile", "config/seeds.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    status, report = verify(copy, "seeds")
    assert status == 1
    assert "at all 2 seeds" in report
    assert "at seed 2" in report
    assert "1 of 2 claims about seeds hold, 1 FAIL" in report

    # What the runs are made of reruns them.
    copy.edit("config/small.yaml", "images: 2", "images: 3")
    assert copy.planned("--configfile", "config/seeds.yaml")["seed"] == 2
    copy.edit("config/small.yaml", "images: 3", "images: 2")
    assert copy.planned("--configfile", "config/seeds.yaml") == {}
    with (copy.folder / "src" / "conceptrast" / "dff" / "__init__.py").open("a") as stream:
        stream.write("\nEDITED = True\n")
    assert copy.planned("--configfile", "config/seeds.yaml")["seed"] == 2


def test_a_configuration_that_cannot_be_repeated_is_named(tmp_path: Path) -> None:
    copy = repeating(tmp_path / "clone")
    mistakes = {
        "config: config/seeds.yaml": "config/seeds.yaml has the key 'seeds': name a configuration that repeats no run",
        "config: config/smal.yaml": "config/smal.yaml does not exist",
    }
    for line, message in mistakes.items():
        copy.edit("config/seeds.yaml", "config: config/small.yaml", line)
        failed = copy.snakemake("-n", "--configfile", "config/seeds.yaml")
        assert failed.returncode != 0
        assert "'seeds.small.config': " in failed.stdout + failed.stderr
        assert message in failed.stdout + failed.stderr
        copy.edit("config/seeds.yaml", line, "config: config/small.yaml")
    copy.edit("config/small.yaml", "images: 2", "image: 2")
    failed = copy.snakemake("-n", "--configfile", "config/seeds.yaml")
    assert "config/small.yaml: config: unknown key 'image'; nearest: images" in failed.stdout + failed.stderr
