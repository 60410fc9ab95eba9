"""Gather the headline numbers of all tables of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_table, write_json
from conceptrast.steps.runner import run
from conceptrast.tables import headline_metrics


def main(settings: dict[str, Any], tables: list[Path], metrics: Path) -> None:
    """Write ``study/metric`` (or ``model/metric``) and its number. Settings: the ``headlines`` of each table."""
    by_name = {path.stem: read_table(path) for path in tables}
    write_json(headline_metrics(by_name, settings["headlines"]), metrics)


if __name__ == "__main__":
    run(main)
