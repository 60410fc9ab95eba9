"""``conceptrast verify``: whether a run bears out what the documents say, and how its numbers differ from others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("name", metavar="RUN", help="name of the run: its folder below results/, e.g. default")
    command.add_argument(
        "--against",
        metavar="NAME",
        help="compare its metrics with those of another run, or of a revision of git (default: HEAD)",
    )
    command.add_argument("--summary", action="store_true", help="print only claims that fail, and the last line")


def run(options: argparse.Namespace) -> None:
    """Print claim by claim and metric by metric what the run came to; exit status 1 if a claim fails."""
    from conceptrast.verification.check import check_run
    from conceptrast.verification.results import repository_above

    check = check_run(repository_above(Path.cwd()), options.name, options.against)
    print("\n".join(check.lines(failures_only=options.summary)))
    if not check.holds:
        sys.exit(1)
