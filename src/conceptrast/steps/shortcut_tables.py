"""Join the rows of all studies with a planted shortcut."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["studies"]``."""

    shortcuts: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The only table."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the rows of all studies."""
    parts = [read_table(path) for _, path in zip(settings["studies"], inputs.shortcuts, strict=True)]
    [path] = outputs.tables
    write_table(pd.concat(parts, ignore_index=True), path)


if __name__ == "__main__":
    run(main)
