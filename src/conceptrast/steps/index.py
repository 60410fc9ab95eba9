"""Look at every picture of a dataset once, and write index, rejected pictures, known truth and class names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.base.files import atomic, write_json, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """``key`` is the fingerprint of the dataset's pictures."""

    key: str = ""
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``fingerprint`` stores the key for clones without the pictures."""

    index: Path
    rejected: Path
    truth: Path
    class_names: Path
    fingerprint: Path | None = None


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the index. Settings: dataset (its entry in the config), seed, max_rejected."""
    dataset = open_dataset(settings["dataset"], settings["seed"])
    index = dataset.build_index(inputs.workers)
    for row in index.rejected.itertuples():  # if the job fails, its log survives but its table does not
        LOGGER.warning("rejected %s: %s", row.path, row.reason)
    write_table(index.rejected, outputs.rejected)
    index.check(settings["max_rejected"])
    write_table(index.truth, outputs.truth)
    write_json(dataset.class_names, outputs.class_names)
    write_table(index.table, outputs.index)
    if outputs.fingerprint is not None:
        with atomic(outputs.fingerprint) as part:
            part.write_text(inputs.key)


if __name__ == "__main__":
    run(main)
