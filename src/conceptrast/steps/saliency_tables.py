"""Build the tables of a run's saliency views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.files import read_table, write_table
from conceptrast.saliency.tables import faithfulness_table, randomisation_table, truth_table, with_skipped
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    subjects: list[Path],
    faithfulness: list[Path],
    randomisation: list[Path],
    recovery: list[Path],
    tables: list[Path],
) -> None:
    """Files come in the order of ``views``, those of the truth in the order of ``views_with_truth``."""
    views, with_truth = settings["views"], settings["views_with_truth"]
    looked_at = _together(views, subjects).rename(columns={"kind": "target_kind"})
    skipped = _skipped(looked_at, ["view", "target_kind", "reason"])
    changes = _together(views, randomisation)
    known = [row for row in skipped if row["view"] in with_truth]
    built = {
        "saliency_faithfulness": lambda: with_skipped(
            faithfulness_table(_together(views, faithfulness), settings["seed"]), skipped
        ),
        "saliency_randomisation": lambda: with_skipped(
            randomisation_table(changes[changes["status"] == "ok"]), _skipped(changes, ["view", "method", "reason"])
        ),
        "saliency_truth": lambda: with_skipped(truth_table(_together(with_truth, recovery)), known),
    }
    for path in tables:
        write_table(built[path.stem](), path)


def _together(views: list[str], paths: list[Path]) -> pd.DataFrame:
    """The rows of all views, with their names."""
    return pd.concat(
        [read_table(path).assign(view=view) for view, path in zip(views, paths, strict=True)], ignore_index=True
    )


def _skipped(rows: pd.DataFrame, names: list[str]) -> list[dict[str, str]]:
    """What was left out, and why."""
    return rows.loc[rows["status"] == "skipped", names].to_dict("records")  # type: ignore[return-value]


if __name__ == "__main__":
    run(main)
