"""Build the tables of a run's saliency views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.files import read_table, write_table
from conceptrast.saliency.faithfulness import faithfulness_table
from conceptrast.saliency.randomisation import randomisation_table
from conceptrast.saliency.truth import truth_table
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    faithfulness: list[Path],
    randomisation: list[Path],
    tables: list[Path],
    recovery: list[Path],
) -> None:
    """Files come in the order of ``views``, those of the truth in the order of ``views_with_truth``."""
    built = [
        faithfulness_table(_together(settings["views"], faithfulness), settings["seed"]),
        randomisation_table(_together(settings["views"], randomisation)),
    ]
    if recovery:
        built.append(truth_table(_together(settings["views_with_truth"], recovery)))
    for table, path in zip(built, tables, strict=True):
        write_table(table, path)


def _together(views: list[str], paths: list[Path]) -> pd.DataFrame:
    """The rows of all views, with their names."""
    parts = []
    for view, path in zip(views, paths, strict=True):
        part = read_table(path)
        part.insert(0, "view", view)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
