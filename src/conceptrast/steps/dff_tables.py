"""Build the tables of a run's deep feature factorizations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.dff.table import dff_summary
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["dffs"]``."""

    concepts: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all factorizations."""
    concepts = {name: read_table(path) for name, path in zip(settings["dffs"], inputs.concepts, strict=True)}
    summaries = {name: dff_summary(rows, settings["seed"]) for name, rows in concepts.items()}
    for path in outputs.tables:
        parts = {"dff_concepts": concepts, "dff_summary": summaries}[path.stem]
        table = pd.concat([rows.assign(dff=name) for name, rows in parts.items()], ignore_index=True)
        write_table(table[["dff", *table.columns.drop("dff")]], path)


if __name__ == "__main__":
    run(main)
