"""Build the table of a run's insertion tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.contrast.insertion import insertion_summary
from conceptrast.steps.runner import run


def main(settings: dict[str, Any], insertions: list[Path], tables: list[Path]) -> None:
    """Files come in the order of ``settings["insertions"]``."""
    parts = []
    for name, path in zip(settings["insertions"], insertions, strict=True):
        part = insertion_summary(read_table(path), settings["seed"])
        part.insert(0, "insertion", name)
        parts.append(part)
    [path] = tables
    write_table(pd.concat(parts, ignore_index=True), path)


if __name__ == "__main__":
    run(main)
