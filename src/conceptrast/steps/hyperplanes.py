"""Fit the hyperplanes of a shard of a study's pairs of classes, by every solver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import write_arrays
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplane_solvers import solvers_from_settings
from conceptrast.contrast.study_hyperplanes import fit_shard
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any], features: list[Path], hyperplanes: Path) -> None:
    """Features are those of all shards; the file holds the pairs whose lower class is in this shard."""
    bank = FeatureBank(features)
    if len(bank) < 2:
        LOGGER.warning("%d classes can be contrasted, and a pair needs two: lower min_images", len(bank))
    shared = {key: settings[key] for key in ("shard", "shards", "heldout", "seed", "precision")}
    write_arrays(hyperplanes, fit_shard(bank, solvers_from_settings(settings["hyperplanes"]), **shared))


if __name__ == "__main__":
    run(main)
