"""Gather the headline numbers of all tables of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_json
from conceptrast.steps.runner import run
from conceptrast.tables import headline_metrics


def main(settings: dict[str, Any], tables: list[Path], metrics: Path) -> None:  # noqa: ARG001 - every step has settings
    """Write ``study/metric`` (or ``model/metric``) and its number."""
    write_json(headline_metrics({path.stem: read_table(path) for path in tables}), metrics)


if __name__ == "__main__":
    run(main)
