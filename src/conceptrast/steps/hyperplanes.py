"""Fit the hyperplanes for a shard of a study's pairs of classes, with every solver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import write_arrays
from conceptrast.contrast.features import FeatureBank
from conceptrast.contrast.hyperplane_shards import FitOptions, fit_shard
from conceptrast.contrast.hyperplane_solvers import solvers_from_settings
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The features of all shards."""

    features: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Hyperplanes of the pairs whose lower class is in this shard."""

    hyperplanes: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the hyperplanes of one shard."""
    bank = FeatureBank(inputs.features)
    if len(bank) < 2:
        LOGGER.warning("%d classes can be contrasted, and a pair needs two: lower min_images", len(bank))
    solvers = solvers_from_settings(settings["hyperplanes"])
    options = FitOptions(heldout=settings["heldout"], seed=settings["seed"], precision=settings["precision"])
    arrays = fit_shard(bank, solvers, options, shard=settings["shard"], shards=settings["shards"])
    write_arrays(outputs.hyperplanes, arrays)


if __name__ == "__main__":
    run(main)
