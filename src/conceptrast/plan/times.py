"""Where the time of a run went, step by step.

Snakemake keeps a record for every file that a job has made, with its rule and its log. The log of a step ends with what
its process has used (:class:`~conceptrast.base.usage.Usage`); its date is the end of that process. The times in the
records are no measure: Snakemake dates files and ends when it notices them, on a cluster half a minute late, and there
it may have the start of an older run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conceptrast.base.errors import DataError, unknown_name
from conceptrast.base.usage import Usage

RESULTS = "results"
RECORDS = ".snakemake/metadata"

NOTICED = 300.0
"""Seconds in which Snakemake has noticed the end of a job; on a cluster it may take three minutes.

A log and a file that are further apart are of different jobs. If no job runs for longer, another call of Snakemake went
on with the run.
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that has finished.

    Args:
        rule: name of its rule, which is that of its step.
        end: when its process ended, in seconds since 1970.
        usage: what its process has used.
    """

    rule: str
    end: float
    usage: Usage

    @property
    def start(self) -> float:
        """When its process started, in seconds since 1970."""
        return self.end - self.usage.seconds


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """The jobs of a run.

    Args:
        run: its name.
        jobs: jobs that finished here.
        without_log: number of jobs whose log is missing, is of another run, or does not say what the job used.
    """

    run: str
    jobs: Sequence[Job]
    without_log: int = 0

    @classmethod
    def read(cls, run: str, repository: Path) -> RunTimes:
        """The times of a run, from the records and logs in its folder.

        Args:
            run: name of the run.
            repository: folder that holds ``results/``.

        Raises:
            DataError: there is no such run, or it was not carried out in this folder.
        """
        folder = repository / RESULTS / run
        if not folder.is_dir():
            raise DataError(_unknown_run(run, repository / RESULTS))
        records = _records_by_job(folder / RECORDS)
        jobs = [_job(records_of_job, folder) for records_of_job in records.values()]
        finished = [job for job in jobs if job is not None]
        if not finished:
            raise DataError(
                f"run {run!r} was not carried out in this folder: {folder} has no logs that say what its jobs used. "
                "Results that were pulled or cloned come without logs; carry the run out here to see its times"
            )
        return cls(run=run, jobs=finished, without_log=len(jobs) - len(finished))

    @property
    def seconds(self) -> float:
        """Wall clock of all processes, added up."""
        return sum(job.usage.seconds for job in self.jobs)

    @property
    def stretches(self) -> list[float]:
        """Seconds of each stretch in which jobs ran one after the other, with pauses of at most five minutes.

        Example:
            >>> usage = Usage(seconds=10, importing=1, processor=10, memory=100)
            >>> jobs = [Job(rule="dff", end=end, usage=usage) for end in (10, 15, 30, 510)]
            >>> RunTimes(run="default", jobs=jobs).stretches
            [30, 10]
        """
        jobs = sorted(self.jobs, key=lambda job: job.start)
        stretches = [[jobs[0].start, jobs[0].end]]
        for job in jobs[1:]:
            if job.start > stretches[-1][1] + NOTICED:
                stretches.append([job.start, job.end])
            else:
                stretches[-1][1] = max(stretches[-1][1], job.end)
        return [end - start for start, end in stretches]

    def by_step(self) -> dict[str, list[Job]]:
        """Jobs of each step; the step that took longest in all comes first."""
        steps: dict[str, list[Job]] = {}
        for job in self.jobs:
            steps.setdefault(job.rule, []).append(job)
        return dict(sorted(steps.items(), key=lambda step: -sum(job.usage.seconds for job in step[1])))

    def table(self) -> str:
        """A row for each step and one for all of them, as a Markdown table.

        Columns: number of jobs; seconds of their processes, added up; those of the longest; share of the sum of all
        steps; seconds of importing; seconds of processor time; highest memory of one process in MiB. If a step used a
        GPU: share of its work's time in which the GPU computed.
        """
        rows = [[name, *self._cells(jobs)] for name, jobs in self.by_step().items()]
        rows.append(["all", *self._cells(self.jobs)])
        head = ["step", "jobs", "seconds", "longest", "share", "importing", "processor", "memory", "GPU busy"]
        columns = len(head) if any(row[-1] for row in rows) else len(head) - 1
        return aligned([row[:columns] for row in (head, *rows)])

    def _cells(self, jobs: Sequence[Job]) -> list[str]:
        usages = [job.usage for job in jobs]
        seconds = sum(usage.seconds for usage in usages)
        busy = gpu_busy(usages)
        return [
            str(len(jobs)),
            f"{seconds:.1f}",
            f"{max(usage.seconds for usage in usages):.1f}",
            percent(seconds / self.seconds),
            f"{sum(usage.importing for usage in usages):.1f}",
            f"{sum(usage.processor for usage in usages):.1f}",
            str(max(usage.memory for usage in usages)),
            "" if busy is None else percent(busy),
        ]

    def summary(self, cores: int) -> str:
        """Share of importing, wall clock, and how busy ``cores`` cores were; a sentence a line."""
        importing = sum(job.usage.importing for job in self.jobs)
        processor = sum(job.usage.processor for job in self.jobs)
        wall = sum(self.stretches)
        lines = [
            f"importing: {importing:.1f} s, {percent(importing / self.seconds)} of the seconds of all jobs",
            f"wall clock: {wall:.1f} s{self._parts()}, {self.seconds / wall:.2f} jobs at a time",
            f"processors: {percent(processor / (cores * wall))} of the time of {cores} cores was in use",
        ]
        if self.without_log:
            total = len(self.jobs) + self.without_log
            lines.append(f"left out: {self.without_log} of {total} jobs, which have no log that says what they used")
        return "\n".join(lines)

    def _parts(self) -> str:
        parts = len(self.stretches)
        if parts == 1:
            return " from the first start to the last end"
        return f" in {parts} parts, without the pauses between them"


def _unknown_run(run: str, results: Path) -> str:
    """The message for a run that is not there."""
    if not results.is_dir():
        return f"there is no folder {results}: call this in the folder of the repository"
    return unknown_name("run", run, sorted(path.name for path in results.iterdir() if path.is_dir()))


def _records_by_job(folder: Path) -> dict[tuple[str, ...], list[dict]]:
    """Snakemake's records of files, by the job that made them: its rule and its logs."""
    jobs: dict[tuple[str, ...], list[dict]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            record = _record(path)
            if record is not None:
                jobs.setdefault((record["rule"], *(record["log"] or ())), []).append(record)
    return jobs


def _record(path: Path) -> dict | None:
    """A record; None while Snakemake writes it, or if its job has not finished."""
    try:
        record = json.loads(path.read_text())
    except json.JSONDecodeError:
        return None
    return None if record.get("incomplete") or record.get("endtime") is None else record


def _job(records: Sequence[dict], folder: Path) -> Job | None:
    """The job that these records are of; None without a log of its own that says what the job used."""
    written = max(record["endtime"] for record in records)
    logs = [folder / log for log in records[0]["log"] or () if (folder / log).is_file()]
    if not logs or abs(logs[0].stat().st_mtime - written) > NOTICED:
        return None
    usage = Usage.parse(logs[0].read_text())
    if usage is None:
        return None
    return Job(rule=records[0]["rule"], end=logs[0].stat().st_mtime, usage=usage)


def gpu_busy(usages: Sequence[Usage]) -> float | None:
    """Share of the work's time in which a GPU computed, over all processes that used one; None if none did.

    .. math:: \\frac{\\sum_i b_i (t_i - m_i)}{\\sum_i (t_i - m_i)}

    with the share b, the seconds t and the seconds of importing m of each process.

    Example:
        >>> times = dict(importing=2.0, processor=9.0, memory=100)
        >>> long = Usage(seconds=12.0, gpu_busy=0.5, **times)
        >>> short = Usage(seconds=4.0, gpu_busy=0.8, **times)
        >>> without_gpu = Usage(seconds=50.0, **times)
        >>> round(gpu_busy([long, short, without_gpu]), 3)
        0.55
    """
    on_gpu = [usage for usage in usages if usage.gpu_busy is not None]
    seconds = sum(usage.seconds - usage.importing for usage in on_gpu)
    busy = sum(usage.gpu_busy * (usage.seconds - usage.importing) for usage in on_gpu if usage.gpu_busy is not None)
    return busy / seconds if seconds else None


def percent(share: float) -> str:
    """A share as text.

    Example:
        >>> percent(0.126), percent(0.004)
        ('13 %', '0.4 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that can be read in a shell too; the first row is its head, the first column its names.

    Example:
        >>> print(aligned([["step", "jobs"], ["dff", "12"]]))
        | step | jobs |
        |------|-----:|
        | dff  |   12 |
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"| {row[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        + " |"
        for row in rows
    ]
    rule = "|" + "-" * (widths[0] + 2) + "|" + "".join("-" * (width + 1) + ":|" for width in widths[1:])
    return "\n".join([lines[0], rule, *lines[1:]])


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
