"""Open the atlas of a run: ``python -m conceptrast.atlas config/config.yaml``, or ``make atlas CONFIG=…``.

If the run is not finished, an atlas of what is there is written first; it says what is missing. The path is printed,
and the pages open in the browser if there is one. With ``--answers`` the run's first answers are printed, and no page
is opened.
"""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from conceptrast.atlas.answers import answers
from conceptrast.atlas.atlas import Sources, checked_claims, write_atlas
from conceptrast.atlas.headlines import answer_lines
from conceptrast.atlas.run_files import Description, RunFiles, description_of
from conceptrast.base.errors import ConceptrastError, ConfigError
from conceptrast.plan.plan import Plan
from conceptrast.plan.record import read_plan


def opened_run(repository: Path, config: str) -> tuple[Description, Sources, Path]:
    """What a run was asked, its files, and the first page of its atlas.

    Args:
        repository: its root.
        config: file of the run's configuration, from the root.

    Raises:
        ConfigError: the configuration is wrong, or nothing of the run is there.
    """
    plan = read_plan(repository, config)
    folder = repository / plan.folder
    if not folder.is_dir():
        raise ConfigError(f"{plan.folder} does not exist: make reproduce CONFIG={config} makes it")
    # A plan looks for recorded fingerprints in the folder of its run.
    os.chdir(folder)
    settings = Plan(plan.resolved, plan.source).settings("atlas")
    sources = Sources(folder=Path(), repository=repository, claims=Path(settings["claims"]))
    return description_of(settings), sources, folder / "atlas" / "index.html"


def main(arguments: Sequence[str]) -> None:
    """Open the atlas of the run whose configuration is named, or print the run's first answers."""
    parser = argparse.ArgumentParser(prog="python -m conceptrast.atlas", description=__doc__.partition("\n")[0])
    parser.add_argument("config", nargs="?", default="config/config.yaml", help="the run's configuration")
    parser.add_argument(
        "--answers", action="store_true", help="print a line for each of the run's first five questions"
    )
    options = parser.parse_args(arguments)
    try:
        description, sources, index = opened_run(Path.cwd(), options.config)
    except ConceptrastError as error:
        sys.exit(f"error: {error}")
    if options.answers:
        files = RunFiles(sources.folder, description)
        print("\n".join(answer_lines(answers(files, checked_claims(files, sources.claims)))))
        return
    if not index.is_file():
        write_atlas(description, sources, index.parent)
    print(index)
    webbrowser.open(index.as_uri())


if __name__ == "__main__":
    main(sys.argv[1:])
