"""The tables of all views of a run, with a row for each view and kind of subject that was left out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from conceptrast.saliency.tables import faithfulness_table, randomisation_table, truth_table, with_skipped

NOWHERE = "no picture that is looked at holds both what A has and B has not and what both have"


def faithfulness_of_views(rows: pd.DataFrame, subjects: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The table of faithfulness.

    Args:
        rows: of the curves of all views.
        subjects: view, kind, status, reason of all views.
        seed: of the intervals.
    """
    return with_skipped(faithfulness_table(rows, seed), _skipped_subjects(subjects))


def randomisation_of_views(rows: pd.DataFrame) -> pd.DataFrame:
    """The table of the randomisation.

    Args:
        rows: of the stages of all views, with status and reason.
    """
    return with_skipped(randomisation_table(rows[rows["status"] == "ok"]), _skipped(rows, ["view", "method", "reason"]))


def truth_of_views(rows: pd.DataFrame, subjects: pd.DataFrame, views: Sequence[str]) -> pd.DataFrame:
    """The table of the truth; a view of which no picture could be looked at has a row that says why.

    Args:
        rows: of the known pictures of these views.
        subjects: view, kind, status, reason of all views.
        views: whose truth is known.
    """
    skipped = [row for row in _skipped_subjects(subjects) if row["view"] in views]
    explained = {*rows["view"], *(row["view"] for row in skipped)}
    skipped += [{"view": view, "reason": NOWHERE} for view in views if view not in explained]
    return with_skipped(truth_table(rows), skipped)


def _skipped_subjects(subjects: pd.DataFrame) -> list[dict[str, str]]:
    return _skipped(subjects.rename(columns={"kind": "target_kind"}), ["view", "target_kind", "reason"])


def _skipped(rows: pd.DataFrame, names: list[str]) -> list[dict[str, str]]:
    """What was left out, and why."""
    return rows.loc[rows["status"] == "skipped", names].to_dict("records")  # type: ignore[return-value]
