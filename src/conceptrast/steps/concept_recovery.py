"""Compare the components of each class with what is known to be in its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.concepts.recovery import concept_recovery, refuse_other_size
from conceptrast.data.dataset import open_dataset
from conceptrast.models.opening import open_model
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    truth: Path,
    prototypes: Path,
    recovery: Path,
    purity: Path,
    weights: Path | None = None,
) -> None:
    """Write one row per class, recipe and concept, and one per class, recipe and component."""
    names, table = read_json(class_names), read_table(index)
    dataset = open_dataset(settings["dataset"], settings["seed"])
    width, height = dataset.picture(table.iloc[0]).size
    refuse_other_size((height, width), open_model(settings["model"], weights, names).preprocess.size)
    found, pure = concept_recovery(read_table(prototypes), table, read_table(truth), names)
    write_table(pure, purity)
    write_table(found, recovery)


if __name__ == "__main__":
    run(main)
