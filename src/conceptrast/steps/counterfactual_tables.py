"""Build the tables of a run's decoders and counterfactuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.counterfactual.concept_pictures import reading_summary
from conceptrast.counterfactual.table import counterfactual_summary
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings["studies"]``."""

    reconstructions: list[Path]
    counterfactuals: list[Path]
    concepts: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The tables decoder, counterfactual, concept_pictures and concept_reading, in this order."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all studies."""
    decoders = [read_table(path) for path in inputs.reconstructions]
    summaries = [counterfactual_summary(read_table(path)) for path in inputs.counterfactuals]
    concepts = [read_table(path) for path in inputs.concepts]
    readings = [reading_summary(part) for part in concepts]
    for parts, path in zip((decoders, summaries, concepts, readings), outputs.tables, strict=True):
        write_table(_join_tables(parts, settings["studies"]), path)


def _join_tables(parts: Sequence[pd.DataFrame], studies: Sequence[str]) -> pd.DataFrame:
    for part, study in zip(parts, studies, strict=True):
        part.insert(0, "study", study)
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
