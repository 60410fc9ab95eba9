"""Build the tables of a run's contrasts from the files of its studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.contrast import recovery
from conceptrast.contrast.features import class_table
from conceptrast.contrast.hyperplane_solvers import solvers_from_settings
from conceptrast.contrast.mask import mask_summary
from conceptrast.contrast.shift import shift_summary
from conceptrast.contrast.tables import hyperplane_summary, joined, or_skipped
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    features: list[Path],
    hyperplanes: list[Path],
    shifts: list[Path],
    masks: list[Path],
    pairs: list[Path],
    masses: list[Path],
    strongest: list[Path],
    tables: list[Path],
) -> None:
    """Files come in the order of ``settings``: studies, studies_with_truth; shards of each study."""
    solvers, shards = solvers_from_settings(settings["hyperplanes"]), settings["shards"]
    parts: dict[str, list[pd.DataFrame]] = {path.stem: [] for path in tables}
    for number, study in enumerate(settings["studies"]):
        own = slice(number * shards, (number + 1) * shards)
        shift = shift_summary(joined([read_table(path) for path in shifts[own]]))
        found = {
            "contrast_classes": class_table(features[own]),
            "contrast_pairs": read_table(pairs[number]),
            "hyperplanes": hyperplane_summary(hyperplanes[own], solvers, shift),
            "shift": or_skipped(shift),
            "mask": or_skipped(mask_summary(read_table(masks[number]))),
        }
        if study in settings["studies_with_truth"]:
            place = settings["studies_with_truth"].index(study)
            known = recovery.contrast_recovery_summary(read_table(masses[place]), read_table(strongest[place]))
            found["contrast_recovery"] = or_skipped(known, "no two classes with a plane share a concept")
        for name, table in found.items():
            table.insert(0, "study", study)
            parts[name].append(table)
    for path in tables:
        write_table(pd.concat(parts[path.stem], ignore_index=True), path)


if __name__ == "__main__":
    run(main)
