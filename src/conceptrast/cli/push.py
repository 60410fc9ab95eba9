"""``conceptrast push``: shares what DVC has recorded, and sees that it has arrived."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("targets", metavar="TARGET", nargs="*", help="stages and files to push (default: all)")
    command.add_argument("--remote", metavar="NAME", help="another remote than the default one")


def run(options: argparse.Namespace) -> None:
    """Push, and say how many files were missing; exit status 1 if any is missing still."""
    from conceptrast.plan.push import push
    from conceptrast.verification.results import repository_above

    count = push(repository_above(Path.cwd()), options.targets, options.remote)
    print(f"{count} files pushed; the remote has everything" if count else "the remote has everything already")
