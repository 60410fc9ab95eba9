"""``conceptrast times``: where the time of a run went."""

from __future__ import annotations

import argparse
from pathlib import Path

from conceptrast.plan.times import RunTimes, usable_cores

NOTES = """\
seconds: from the start of a job's process to its end; importing: those before its work began;
processor: seconds of all cores together; memory: MiB of one process at most."""


def add(command: argparse.ArgumentParser) -> None:
    """Its argument."""
    command.add_argument("name", metavar="RUN", help="name of a run that was carried out in this repository")


def run(options: argparse.Namespace) -> None:
    """Print time, processor time and memory by step, and what share of it went into importing."""
    times = RunTimes.read(options.name, Path())
    print(f"run {times.run}: {len(times.jobs)} jobs of {len(times.by_step())} steps\n")
    print(times.table())
    print(f"\n{NOTES}\n\n{times.summary(usable_cores())}")
