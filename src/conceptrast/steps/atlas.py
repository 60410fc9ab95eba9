"""Write the atlas of the run, pages that open from the disk, and the few numbers that stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptrast.atlas.atlas import Sources, write_atlas
from conceptrast.atlas.headlines import headline_numbers
from conceptrast.atlas.run_files import description_of
from conceptrast.base.files import write_json
from conceptrast.steps.runner import LOGGER, run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the pages show. They find it in the run's folder, by its name; these say when it is there."""

    tables: list[Path]
    metrics: Path
    figures: list[Path]
    manifests: list[Path]
    pages: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The folder of the pages, ``index.html`` is the first; and the headline numbers of their answers, by name."""

    atlas: Path
    headlines: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write all pages and the headline numbers.

    Settings: those of :class:`~conceptrast.atlas.run_files.Description`, repository, claims.
    """
    sources = Sources(
        folder=inputs.metrics.parent,
        repository=Path(settings["repository"]),
        claims=Path(settings["claims"]),
    )
    files, answered = write_atlas(description_of(settings), sources, outputs.atlas)
    write_json(headline_numbers(answered), outputs.headlines)
    for name in files.missing:
        LOGGER.warning("the atlas leaves out %s: it is missing", name)


if __name__ == "__main__":
    run(main)
