"""Build the tables of a run's concepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.ace.recovery import recovery_table
from conceptrast.base.files import read_table, write_table
from conceptrast.contrast.tables import or_skipped
from conceptrast.steps.runner import run

NO_CONCEPTS = "no class has a concept that is kept: see ace.csv"


def main(settings: dict[str, Any], concepts: list[Path], tables: list[Path]) -> None:
    """Files come in the order of ``settings["studies"]``; of ``settings["studies_with_truth"]`` there is recovery."""
    found = {name: read_table(path) for name, path in zip(settings["studies"], concepts, strict=True)}
    known = {name: or_skipped(recovery_table(found[name]), NO_CONCEPTS) for name in settings["studies_with_truth"]}
    for path in tables:
        write_table(_joined({"ace": found, "ace_recovery": known}[path.stem]), path)


def _joined(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [pd.concat([pd.Series(name, table.index, name="study"), table], axis=1) for name, table in tables.items()]
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
