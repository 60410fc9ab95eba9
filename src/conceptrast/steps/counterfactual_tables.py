"""Build the tables of a run's decoders and counterfactuals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.counterfactual.table import counterfactual_summary
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    reconstructions: list[Path],
    counterfactuals: list[Path],
    tables: list[Path],
) -> None:
    """Files come in the order of ``settings["studies"]``; ``tables`` are decoder and counterfactual."""
    decoders, summaries = [], []
    files = zip(settings["studies"], reconstructions, counterfactuals, strict=True)
    for study, reconstruction, counterfactual in files:
        decoders.append(read_table(reconstruction))
        summaries.append(counterfactual_summary(read_table(counterfactual)))
        for part in (decoders[-1], summaries[-1]):
            part.insert(0, "study", study)
    for parts, path in zip((decoders, summaries), tables, strict=True):
        write_table(pd.concat(parts, ignore_index=True), path)


if __name__ == "__main__":
    run(main)
