"""Look at every picture of a dataset once: index, refused pictures, known truth, class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import write_json, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.steps.runner import LOGGER, run


def main(
    settings: dict[str, Any], index: Path, rejected: Path, truth: Path, class_names: Path, workers: int = 0
) -> None:
    """Settings: dataset (its entry in the config), seed, max_rejected."""
    dataset = open_dataset(settings["dataset"], settings["seed"])
    found = dataset.build_index(workers)
    for row in found.rejected.itertuples():  # the log survives where the table of a failed job does not
        LOGGER.warning("rejected %s: %s", row.path, row.reason)
    write_table(found.rejected, rejected)
    found.check(settings["max_rejected"])
    write_table(found.truth, truth)
    write_json(dataset.class_names, class_names)
    write_table(found.table, index)


if __name__ == "__main__":
    run(main)
