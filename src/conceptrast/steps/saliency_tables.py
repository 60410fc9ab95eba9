"""Build the tables of a run's saliency views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
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
    built = {
        "saliency_faithfulness": lambda: with_skipped(
            faithfulness_table(_together(views, faithfulness), settings["seed"]), skipped
        ),
        "saliency_randomisation": lambda: with_skipped(
            randomisation_table(changes[changes["status"] == "ok"]), _skipped(changes, ["view", "method", "reason"])
        ),
        "saliency_truth": lambda: _truth(with_truth, recovery, skipped),
    }
    for path in tables:
        write_table(built[path.stem](), path)


def _truth(views: list[str], paths: list[Path], skipped: list[dict[str, str]]) -> pd.DataFrame:
    """The table of the truth; a view of which no picture could be looked at has a row that says why."""
    rows = _together(views, paths)
    known = [row for row in skipped if row["view"] in views]
    said = {*rows["view"], *(row["view"] for row in known)}
    nowhere = "no picture that is looked at holds both what A has and B has not and what both have"
    known += [{"view": view, "reason": nowhere} for view in views if view not in said]
    return with_skipped(truth_table(rows), known)


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
