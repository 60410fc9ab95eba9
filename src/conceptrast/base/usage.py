"""What a process has used: time, processor, memory. A step says so in the last line of its log."""

from __future__ import annotations

import os
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path

PROCESS = Path("/proc/self")
"""What Linux knows of this process; other systems have no such folder."""

START_TIME = 19
"""Place of the start among the fields of ``/proc/self/stat`` that follow the name (proc(5): field 22)."""

LINE = re.compile(
    r"(?P<seconds>[\d.]+) s, of which (?P<importing>[\d.]+) s of importing; "
    r"(?P<processor>[\d.]+) s of processor time; at most (?P<memory>\d+) MiB of memory"
    r"(?:; a GPU, busy for (?P<gpu_busy>\d+) % of the time)?"
)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process has used from its start on.

    Args:
        seconds: wall clock since the start of the process.
        importing: those before its work began: start of the interpreter, and imports.
        processor: seconds of processor time, user and system, with those of child processes that have ended.
        memory: highest resident memory of the process itself, in MiB.
        gpu_busy: share of the work's time in which a GPU computed, from 0 to 1; None if the work needed none.
    """

    seconds: float
    importing: float
    processor: float
    memory: int
    gpu_busy: float | None = None

    @classmethod
    def parse(cls, text: str) -> Usage | None:
        """What the last such line of a log says; None if it has none.

        Example:
            >>> Usage.parse("done\\n" + str(Usage(seconds=3.0, importing=1.5, processor=2.5, memory=400)))
            Usage(seconds=3.0, importing=1.5, processor=2.5, memory=400, gpu_busy=None)
            >>> Usage.parse("done") is None
            True
        """
        lines = [match for match in map(LINE.fullmatch, text.splitlines()) if match]
        if not lines:
            return None
        values = lines[-1].groupdict()
        busy = values["gpu_busy"]
        return cls(
            seconds=float(values["seconds"]),
            importing=float(values["importing"]),
            processor=float(values["processor"]),
            memory=int(values["memory"]),
            gpu_busy=None if busy is None else int(busy) / 100,
        )

    def __str__(self) -> str:
        line = (
            f"{self.seconds:.2f} s, of which {self.importing:.2f} s of importing; "
            f"{self.processor:.2f} s of processor time; at most {self.memory} MiB of memory"
        )
        return line if self.gpu_busy is None else f"{line}; a GPU, busy for {100 * self.gpu_busy:.0f} % of the time"


def measures_processes() -> bool:
    """Whether this system tells what a process has used: Linux does."""
    return (PROCESS / "stat").exists()


def seconds_since_start() -> float:
    """Wall clock since the start of this process, in seconds; exact to a hundredth.

    Raises:
        FileNotFoundError: this is not Linux.
    """
    # The name of the program stands in brackets and may hold anything, brackets and spaces too.
    fields = (PROCESS / "stat").read_text().rpartition(")")[2].split()
    start = int(fields[START_TIME]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start


def usage(importing: float) -> Usage:
    """What this process has used up to now, GPUs aside.

    Args:
        importing: :func:`seconds_since_start` when its work began.

    Raises:
        FileNotFoundError: this is not Linux.
    """
    processes = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Usage(
        seconds=seconds_since_start(),
        importing=importing,
        processor=sum(process.ru_utime + process.ru_stime for process in processes),
        memory=peak_memory(),
    )


def peak_memory() -> int:
    """Highest resident memory of this process up to now, in MiB.

    Raises:
        FileNotFoundError: this is not Linux.
    """
    # Not getrusage: what that reports starts at the size of the process that started this one.
    status = dict(line.split(":", 1) for line in (PROCESS / "status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024
