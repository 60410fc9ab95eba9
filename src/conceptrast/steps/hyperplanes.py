"""Fit the hyperplanes of a shard of a study's pairs of classes, by every solver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import write_arrays
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplane_solvers import solvers_from_settings
from conceptrast.contrast.study_hyperplanes import FitSettings, fit_shard
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any], features: list[Path], hyperplanes: Path) -> None:
    """Features are those of all shards; the file holds the pairs whose lower class is in this shard."""
    bank = FeatureBank(features)
    if len(bank) < 2:
        LOGGER.warning("%d classes can be contrasted, and a pair needs two: lower min_images", len(bank))
    solvers = solvers_from_settings(settings["hyperplanes"])
    options = FitSettings(heldout=settings["heldout"], seed=settings["seed"], precision=settings["precision"])
    arrays = fit_shard(bank, solvers, options, shard=settings["shard"], shards=settings["shards"])
    write_arrays(hyperplanes, arrays)


if __name__ == "__main__":
    run(main)
