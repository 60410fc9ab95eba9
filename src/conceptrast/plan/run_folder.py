"""The folder of a run while Snakemake works in it: who holds its lock, what a kill leaves, and dates in the future.

Snakemake locks a folder with files that do not say whose they are, so after a kill it refuses the same command. Here
each Snakemake leaves a record of itself beside the locks: its machine, its process and when that started. A lock whose
processes have all ended is removed.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import psutil
from pydantic import Field, TypeAdapter, ValidationError

from conceptrast.base.files import write_json

LOCKS = Path(".snakemake", "locks")
HOLDERS = Path(".snakemake", "holders")

PATIENCE = 5
"""Seconds that steps get to end when Snakemake is told to."""


@dataclass(frozen=True)
class Holder:
    """A process that works, or worked, in the folder of a run.

    Args:
        host: name of its machine.
        process: its number.
        started: when it started, in seconds since 1970.
    """

    host: str
    process: Annotated[int, Field(gt=0, lt=2**31)]
    started: Annotated[float, Field(ge=0, lt=1e11)]

    @classmethod
    def this(cls) -> Holder:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs, as far as that can be known: of another machine it is taken for granted."""
        if not self.is_here:
            return True
        try:
            return abs(psutil.Process(self.process).create_time() - self.started) < 1
        except psutil.NoSuchProcess:
            return False

    def __str__(self) -> str:
        """Its process, machine and start."""
        place = "" if self.is_here else f" on {self.host}"
        return f"process {self.process}{place} (since {datetime.fromtimestamp(self.started):%Y-%m-%d %H:%M})"


RECORD = TypeAdapter(Holder)
"""Reads a record, and checks its types and ranges."""


def release_stale_lock(folder: Path) -> str | None:
    """Remove the lock of a run whose processes have ended; one line about that, or about who holds it.

    Args:
        folder: folder of the run.

    Returns:
        What to tell the user; ``None`` if there is no lock.
    """
    locks = sorted((folder / LOCKS).glob("*.lock"))
    holders = {file: holder for file in (folder / HOLDERS).glob("*.json") if (holder := _read(file))}
    alive = [holder for holder in holders.values() if holder.is_alive]
    for file, holder in holders.items():
        if not holder.is_alive:
            file.unlink(missing_ok=True)
    if not locks:
        return None
    if alive:
        named = ", ".join(map(str, alive))
        return f"{folder} is in use by {named}: wait until it ends, or end it with `kill`"
    if not holders:
        return None
    for lock in locks:
        lock.unlink(missing_ok=True)
    return f"{folder}: an earlier run was killed; its lock is removed, and this run goes on from there"


def hold(folder: Path) -> Callable[[], None]:
    """Record that this process works in the folder of a run; what is returned takes the record away.

    Args:
        folder: folder of the run.
    """
    holder = Holder.this()
    file = folder / HOLDERS / f"{holder.host}-{holder.process}.json"
    write_json(asdict(holder), file)
    return lambda: file.unlink(missing_ok=True)


def _read(file: Path) -> Holder | None:
    """The holder that a record names; ``None`` if the record is damaged."""
    try:
        return RECORD.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def end_with_steps(_signal: int, _frame: FrameType | None) -> NoReturn:
    """On SIGTERM, end the steps that run and then Snakemake, as on Ctrl-C.

    Snakemake's own handler waits for the steps, and waits for ever if it is called while the scheduler holds its lock.

    Raises:
        KeyboardInterrupt: always.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    steps = psutil.Process().children(recursive=True)
    for step in steps:
        _quietly(step.terminate)
    _, left = psutil.wait_procs(steps, timeout=PATIENCE)
    for step in left:
        _quietly(step.kill)
    raise KeyboardInterrupt


def _quietly(end: Callable[[], None]) -> None:
    try:
        end()
    except psutil.NoSuchProcess:
        return


def mend_dates(files: Iterable[Path]) -> str | None:
    """Date files of the future to now: Snakemake would take what is made of them for older than they are, and fail.

    Args:
        files: inputs of jobs that will run.

    Returns:
        One line that says what was done; ``None`` if no file is dated into the future.
    """
    now = time.time()
    late = [file for file in sorted(set(files)) if file.exists() and file.stat().st_mtime > now + 1]
    for file in late:
        os.utime(file, (now, now))
    if not late:
        return None
    named = ", ".join(map(str, late[:3])) + (", …" if len(late) > 3 else "")
    return f"dated into the future, and now set to today: {named}; is the clock of this machine right?"
