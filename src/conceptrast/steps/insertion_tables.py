"""Build the tables of a run's insertion tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.contrast.insertion import insertion_summary
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["insertions"]``."""

    insertions: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The tables: of pictures that are pasted, and of components whose patches are."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all insertion tests."""
    parts: dict[str, list[pd.DataFrame]] = {path.stem: [] for path in outputs.tables}
    for name, path in zip(settings["insertions"], inputs.insertions, strict=True):
        part = insertion_summary(read_table(path), settings["seed"])
        part.insert(0, "insertion", name)
        parts["component_insertion" if name in settings["of_components"] else "insertion"].append(part)
    for path in outputs.tables:
        write_table(pd.concat(parts[path.stem], ignore_index=True), path)


if __name__ == "__main__":
    run(main)
