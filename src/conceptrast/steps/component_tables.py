"""Build the tables about the components of a run: importance, fidelity, stability."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.concepts.fidelity import fidelity_table, mean_curves, reconstruction_table
from conceptrast.concepts.importance import importance_table
from conceptrast.concepts.importance_truth import component_kinds, importance_truth
from conceptrast.concepts.stability import stability_table
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings``: studies; studies_with_truth for the last three."""

    importance: list[Path]
    curves: list[Path]
    answers: list[Path]
    stability: list[Path]
    prototypes: list[Path]
    indices: list[Path]
    truths: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all studies."""
    parts: dict[str, list[pd.DataFrame]] = {path.stem: [] for path in outputs.tables}
    for number, study in enumerate(settings["studies"]):
        importance = read_table(inputs.importance[number])
        curves = read_table(inputs.curves[number])
        tables = {
            "importance": importance_table(importance),
            "fidelity": fidelity_table(curves),
            "fidelity_curves": mean_curves(curves),
            "reconstructed": reconstruction_table(read_table(inputs.answers[number])),
            "stability": stability_table(read_table(inputs.stability[number])),
        }
        if study in settings["studies_with_truth"]:
            place = settings["studies_with_truth"].index(study)
            kinds = component_kinds(
                read_table(inputs.prototypes[place]),
                read_table(inputs.indices[place]),
                read_table(inputs.truths[place]),
            )
            tables["importance_truth"] = importance_truth(importance, kinds)
        for name, table in tables.items():
            table.insert(0, "study", study)
            parts[name].append(table)
    for path in outputs.tables:
        write_table(pd.concat(parts[path.stem], ignore_index=True), path)


if __name__ == "__main__":
    run(main)
