"""Open the atlas of a run: ``python -m conceptrast.atlas config/config.yaml``, or ``make atlas CONFIG=…``.

If the run is not finished, an atlas of what is there is written first; it says what is missing. The path is printed,
and the pages open in the browser if there is one.
"""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from conceptrast.atlas.atlas import Sources, write_atlas
from conceptrast.atlas.run_files import description_of
from conceptrast.base.errors import ConceptrastError, ConfigError
from conceptrast.plan.plan import Plan
from conceptrast.plan.record import read_plan


def index_of(repository: Path, config: str) -> Path:
    """The first page of the atlas of a run. It is written from what is there if the run has none yet.

    Args:
        repository: its root.
        config: file of the run's configuration, from the root.

    Raises:
        ConfigError: the configuration is wrong, or nothing of the run is there.
    """
    plan = read_plan(repository, config)
    folder = repository / plan.folder
    index = folder / "atlas" / "index.html"
    if index.is_file():
        return index
    if not folder.is_dir():
        raise ConfigError(f"{plan.folder} does not exist: make reproduce CONFIG={config} makes it")
    # A plan looks for recorded fingerprints in the folder of its run.
    os.chdir(folder)
    settings = Plan(plan.resolved, plan.source).settings("atlas")
    sources = Sources(folder=Path(), repository=repository, claims=Path(settings["claims"]))
    write_atlas(description_of(settings), sources, index.parent)
    return index


def main(arguments: Sequence[str]) -> None:
    """Open the atlas of the run whose configuration is named."""
    try:
        index = index_of(Path.cwd(), arguments[0] if arguments else "config/config.yaml")
    except ConceptrastError as error:
        sys.exit(f"error: {error}")
    print(index)
    webbrowser.open(index.as_uri())


if __name__ == "__main__":
    main(sys.argv[1:])
