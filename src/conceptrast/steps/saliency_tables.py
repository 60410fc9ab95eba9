"""Build the tables of a run's saliency views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.saliency.tables import faithfulness_of_views, randomisation_of_views, truth_of_views
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["views"]``; ``recovery`` follows ``settings["views_with_truth"]``."""

    subjects: list[Path]
    faithfulness: list[Path]
    randomisation: list[Path]
    recovery: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all views."""
    views = settings["views"]
    subjects = _join_tables(views, inputs.subjects)
    tables = {
        "saliency_faithfulness": lambda: faithfulness_of_views(
            _join_tables(views, inputs.faithfulness), subjects, settings["seed"]
        ),
        "saliency_randomisation": lambda: randomisation_of_views(_join_tables(views, inputs.randomisation)),
        "saliency_truth": lambda: truth_of_views(
            _join_tables(settings["views_with_truth"], inputs.recovery), subjects, settings["views_with_truth"]
        ),
    }
    for path in outputs.tables:
        write_table(tables[path.stem](), path)


def _join_tables(views: Sequence[str], paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of all views, with their names."""
    parts = [read_table(path).assign(view=view) for view, path in zip(views, paths, strict=True)]
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
