"""A new analysis is its room, one step, one file of rules, a descriptor, and one line of the registry."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from conceptrast.base.files import read_json

from .copies import Copy

REGISTRY = "src/conceptrast/plan/analyses/__init__.py"

NEW_FILES = {
    "src/conceptrast/brightness/__init__.py": '"""How bright are the pictures?"""\n',
    "src/conceptrast/brightness/mean_brightness.py": '''"""Mean brightness of pictures."""

import numpy as np

from conceptrast.data.dataset import Dataset


def mean_brightness(dataset: Dataset, rows) -> float:
    """Mean of all channels of all pictures, 0 to 255."""
    return float(np.mean([np.asarray(dataset.picture(row)).mean() for _, row in rows.iterrows()]))
''',
    "src/conceptrast/steps/brightness.py": '''"""Measure the brightness of a dataset's pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.brightness.mean_brightness import mean_brightness
from conceptrast.data.dataset import open_dataset
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Indices of the datasets, in the order of the settings."""

    indices: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The only table."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write one row an entry."""
    rows = []
    for entry, index in zip(settings["entries"], inputs.indices, strict=True):
        pictures = read_table(index).head(entry["images"])
        mean = mean_brightness(open_dataset(entry["dataset"], settings["seed"]), pictures)
        rows.append({"brightness": entry["name"], "mean": mean})
    write_table(pd.DataFrame(rows), outputs.tables[0])


if __name__ == "__main__":
    run(main)
''',
    "workflow/rules/brightness.smk": '''"""Brightness. How bright are the pictures of a dataset?"""


rule brightness:
    input:
        indices=[f"datasets/{PLAN.dataset_of(brightness=name)}/index.parquet" for name in names("brightness")],
    output:
        tables=tables("brightness", caption="table"),
    log:
        "logs/brightness.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("brightness"),
    shell:
        STEP
''',
    "src/conceptrast/plan/analyses/brightness.py": '''"""How bright are the pictures?"""

from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import DatasetName, EntryName, Section, key
from conceptrast.plan.settings import run_settings


class Brightness(Section):
    """A dataset whose brightness is measured."""

    dataset: DatasetName = key("whose pictures are measured")
    images: int = key("pictures at most", 5, ge=1)


def brightness(plan):
    """Of the run."""
    entries = [
        {"name": name, "dataset": plan.datasets[entry["dataset"]], "images": entry["images"]}
        for name, entry in plan.entries("brightness").items()
    ]
    return {"entries": entries, **run_settings(plan, "seed")}


ANALYSIS = Analysis(
    name="brightness",
    question="How bright are the pictures?",
    sections={"brightness": (dict[EntryName, Brightness], key("datasets whose brightness is measured, by name", {}))},
    entries="brightness",
    wildcard="brightness",
    steps={"brightness": Step(settings=brightness)},
    tables=(Table(name="brightness", step="brightness", headlines=("mean",)),),
)
''',
}


def with_brightness(folder: Path) -> Copy:
    """A copy of the repository with the analysis, and a configuration that asks for nothing else."""
    copy = Copy.of_repository(folder)
    copy.commit("before")
    for name, text in NEW_FILES.items():
        (copy.folder / name).parent.mkdir(exist_ok=True)
        (copy.folder / name).write_text(text)
    copy.edit(REGISTRY, '    "bias",\n', '    "bias",\n    "brightness",\n')
    return copy


def configured(copy: Copy, **entry: object) -> None:
    """config/config.yaml with one entry of the analysis."""
    config = {
        "run": "default",
        "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
        "brightness": {"all": {"dataset": "pairs", **entry}},
    }
    (copy.folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))


def test_one_line_of_the_registry_is_all_that_a_new_analysis_changes(tmp_path: Path) -> None:
    copy = with_brightness(tmp_path / "clone")
    changed = copy.must("git", "diff", "--numstat").split()
    assert changed == ["1", "0", REGISTRY]
    added = copy.must("git", "ls-files", "--others", "--exclude-standard").split()
    assert sorted(added) == sorted(NEW_FILES)

    # It runs, and its table, its metric and its record are those of a run.
    configured(copy, images=3)
    assert copy.planned() == {"index": 1, "brightness": 1, "metrics": 1, "atlas": 1, "track": 1}
    copy.must("snakemake", "--cores", "1")
    table = pd.read_csv(copy.results / "tables" / "brightness.csv")
    assert table["brightness"].tolist() == ["all"]
    assert 0 < table["mean"].item() < 255
    assert set(read_json(copy.results / "metrics.json")) == {"all/mean"}
    assert copy.planned() == {}

    # Its settings and its code rerun it alone.
    configured(copy, images=4)
    assert copy.planned()["brightness"] == 1
    configured(copy, images=3)
    with (copy.folder / "src/conceptrast/brightness/mean_brightness.py").open("a") as stream:
        stream.write("\n# edited\n")
    assert set(copy.planned()) == {"brightness", "metrics", "atlas", "track"}


def test_mistakes_in_a_new_analysis_are_named_like_all_others(tmp_path: Path) -> None:
    copy = with_brightness(tmp_path / "clone")
    configured(copy, dataset="pears", image=3)
    failed = copy.snakemake("-n")
    assert failed.returncode != 0
    assert "unknown key 'image'; nearest: images (in 'brightness.all')" in failed.stdout + failed.stderr
    configured(copy, dataset="pears")
    failed = copy.snakemake("-n")
    assert "'brightness.all.dataset': unknown dataset 'pears'; nearest: pairs" in failed.stdout + failed.stderr
