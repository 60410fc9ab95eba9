"""Build the tables of a run's deep feature factorizations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.dff.summary_table import dff_summary
from conceptrast.steps.runner import run


def main(settings: dict[str, Any], concepts: list[Path], tables: list[Path]) -> None:
    """Files come in the order of ``settings["dffs"]``."""
    found = {name: read_table(path) for name, path in zip(settings["dffs"], concepts, strict=True)}
    summed_up = {name: dff_summary(rows, settings["seed"]) for name, rows in found.items()}
    for path in tables:
        parts = {"dff_concepts": found, "dff_summary": summed_up}[path.stem]
        joined = pd.concat([rows.assign(dff=name) for name, rows in parts.items()], ignore_index=True)
        write_table(joined[["dff", *joined.columns.drop("dff")]], path)


if __name__ == "__main__":
    run(main)
