"""Build the tables of a run's contrasts from the files of its studies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.contrast import recovery
from conceptrast.contrast.features import class_table
from conceptrast.contrast.hyperplane_solvers import solvers_from_settings
from conceptrast.contrast.mask import mask_summary
from conceptrast.contrast.shift import shift_curves, shift_summary
from conceptrast.contrast.tables import hyperplane_summary, join_shards, or_skipped
from conceptrast.steps.runner import run

NOTHING_SHARED = "no two classes with a plane share a concept"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings``: studies with their shards; studies_with_truth for masses and strongest."""

    features: list[Path]
    hyperplanes: list[Path]
    shifts: list[Path]
    masks: list[Path]
    pairs: list[Path]
    masses: list[Path]
    strongest: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all studies."""
    # What all studies share
    solvers = solvers_from_settings(settings["hyperplanes"])
    shards = settings["shards"]
    parts: dict[str, list[pd.DataFrame]] = {path.stem: [] for path in outputs.tables}
    # The tables of each study
    for number, study in enumerate(settings["studies"]):
        of_study = slice(number * shards, (number + 1) * shards)
        shifts = join_shards([read_table(path) for path in inputs.shifts[of_study]])
        shift = shift_summary(shifts)
        tables = {
            "contrast_classes": class_table(inputs.features[of_study]),
            "contrast_pairs": read_table(inputs.pairs[number]),
            "hyperplanes": hyperplane_summary(inputs.hyperplanes[of_study], solvers, shift),
            "shift": or_skipped(shift),
            "shift_curves": shift_curves(shifts),
            "mask": or_skipped(mask_summary(read_table(inputs.masks[number]))),
        }
        if study in settings["studies_with_truth"]:
            place = settings["studies_with_truth"].index(study)
            known = recovery.contrast_recovery_summary(
                read_table(inputs.masses[place]), read_table(inputs.strongest[place])
            )
            tables["contrast_recovery"] = or_skipped(known, NOTHING_SHARED)
        for name, table in tables.items():
            table.insert(0, "study", study)
            parts[name].append(table)
    # All studies together
    for path in outputs.tables:
        write_table(pd.concat(parts[path.stem], ignore_index=True), path)


if __name__ == "__main__":
    run(main)
