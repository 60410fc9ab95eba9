"""Gather the headline numbers of all tables of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_json
from conceptrast.steps.runner import run
from conceptrast.tables import headline_metrics


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All tables of the run."""

    tables: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``study/metric`` (or ``model/metric``) and its number."""

    metrics: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the headline numbers. The setting ``headlines`` says where they are."""
    tables = {path.stem: read_table(path) for path in inputs.tables}
    write_json(headline_metrics(tables, settings["headlines"]), outputs.metrics)


if __name__ == "__main__":
    run(main)
