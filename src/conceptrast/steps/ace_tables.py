"""Build the tables of a run's concepts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.ace.recovery import recovery_table
from conceptrast.base.files import read_table, write_table
from conceptrast.contrast.tables import or_skipped
from conceptrast.steps.runner import run

NO_CONCEPTS = "no class has a concept that is kept: see ace.csv"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["studies"]``; ``recovery`` follows ``settings["studies_with_truth"]``."""

    concepts: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all studies."""
    concepts = {name: read_table(path) for name, path in zip(settings["studies"], inputs.concepts, strict=True)}
    known = settings["studies_with_truth"]
    recovery = {name: or_skipped(recovery_table(concepts[name]), NO_CONCEPTS) for name in known}
    for path in outputs.tables:
        write_table(_join_tables({"ace": concepts, "ace_recovery": recovery}[path.stem]), path)


def _join_tables(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [pd.concat([pd.Series(name, table.index, name="study"), table], axis=1) for name, table in tables.items()]
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
