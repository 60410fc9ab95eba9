"""A small run that is repeated with two seeds: what it comes to, and what `verify` says of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from conceptrast.base.files import read_json

from .copies import CORES, JOB, Copy
from .test_new_analysis import with_brightness

SMALL = {
    "run": "small",
    "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
    "brightness": {"all": {"dataset": "pairs", "images": 3}},
}
REPEATED = {"run": "default", "seeds": {"small": {"config": "config/small.yaml", "seeds": [1, 2]}}}
CLAIMS = """run,sentence,metric,relation,bound
small,It is not black.,all/mean,>,0
small,The seed changes nothing.,all/mean,==,{first}
other,Of another run.,all/mean,<,0
"""


def repeating(folder: Path) -> Copy:
    """A copy of the repository whose default run repeats a run of a few seconds with the seeds 1 and 2."""
    copy = with_brightness(folder)
    for name, config in (("small", SMALL), ("config", REPEATED)):
        (copy.folder / "config" / f"{name}.yaml").write_text(yaml.safe_dump(config))
    (copy.folder / "docs" / "claims.csv").write_text(CLAIMS.format(first=0))
    return copy


def verify(copy: Copy) -> tuple[int, str]:
    """Exit status and output of `conceptrast verify`."""
    library = {"PYTHONPATH": str(copy.folder / "src")}
    done = copy.run("python", "-m", "conceptrast.cli", "verify", "default", env=library)
    return done.returncode, done.stdout + done.stderr


def test_a_run_is_repeated_with_every_seed_and_its_claims_are_checked(tmp_path: Path) -> None:
    copy = repeating(tmp_path / "clone")
    copy.must("snakemake", "--cores", "2")  # both seeds side by side

    # Numbers of both runs; the runs themselves are recorded nowhere else.
    folders = [copy.results / "runs" / "small" / seed for seed in ("1", "2")]
    values = [read_json(folder / "metrics.json")["all/mean"] for folder in folders]
    spread = pd.read_csv(copy.results / "tables" / "seeds.csv").set_index("metric").loc["all/mean"]
    assert spread[["seed_1", "seed_2"]].tolist() == values
    assert spread["lowest"] < spread["mean"] < spread["highest"]
    assert read_json(copy.results / "metrics.json") == {"small/mean_all/mean": spread["mean"]}
    assert not any((folder / "tracked.json").exists() for folder in folders)

    # Claims about the repeated run, and no others.
    claims = pd.read_csv(copy.results / "tables" / "claims.csv")
    assert claims[["run", "seed", "holds"]].to_numpy().tolist() == [
        *(["small", 1, True], ["small", 1, False], ["small", 2, True], ["small", 2, False]),
    ]
    assert copy.planned() == {}

    # If the claims change, they alone are checked again.
    (copy.folder / "docs" / "claims.csv").write_text(CLAIMS.format(first=values[0]))
    status, report = verify(copy)
    assert status == 1
    assert "NOT CHECKED: it is newer than this run" in report
    jobs = set(JOB.findall(copy.must("snakemake", *CORES)))
    assert jobs == {"seed_tables", "metrics", "atlas", "track", "all"}
    status, report = verify(copy)
    assert status == 1
    assert "at all 2 seeds" in report
    assert "at seed 2" in report
    assert "1 of 2 claims about default hold, 1 FAIL" in report
