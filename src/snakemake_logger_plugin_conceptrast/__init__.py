"""Snakemake's log as a line for every finished step: ``snakemake --logger conceptrast``.

Snakemake finds this package by its name. With ``--quiet`` only warnings and errors are written.
"""

from __future__ import annotations

import os
import sys
from logging import WARNING, LogRecord
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from conceptrast.base.run_progress import RunProgress

NOTHING = "Nothing to be done"


class LogHandler(LogHandlerBase):
    """Hands Snakemake's events to :class:`~conceptrast.base.run_progress.RunProgress`."""

    writes_to_stream = True
    writes_to_file = False
    # Errors are written whatever --quiet leaves out, which Snakemake's filter would not do.
    has_filter = True
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Begin to count. Steps inherit the environment."""
        # Snakemake imports every plugin that it finds, for runs that use none, too.
        from conceptrast.base.run_progress import SHOWN_BY_RUN, RunProgress

        os.environ[SHOWN_BY_RUN] = "1"
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.quiet = bool(self.common_settings.quiet)
        self.progress: RunProgress = RunProgress(stream, terminal=stream.isatty() and not self.quiet)

    def emit(self, record: LogRecord) -> None:
        """Write what an event says."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_ERROR:
            self.progress.fail(_number(record))
        if record.levelno >= WARNING:
            self.progress.write(self.format(record))
        elif not self.quiet:
            self._count(event, record)

    def _count(self, event: Any, record: LogRecord) -> None:
        fields = vars(record)
        if event == LogEvent.RUN_INFO:
            self.progress.total = fields["stats"]["total"]
        elif event == LogEvent.JOB_INFO:
            wildcards = [str(value) for value in (fields["wildcards"] or {}).values()]
            self.progress.start(_number(record), " ".join([fields["rule_name"], *wildcards]))
        elif event == LogEvent.JOB_FINISHED:
            self.progress.finish(_number(record))
        elif event == LogEvent.PROGRESS:
            self.progress.total = fields["total"]
        elif event is None and record.getMessage().startswith(NOTHING):
            self.progress.write(record.getMessage())

    def close(self) -> None:
        """Take the bar away."""
        self.progress.close()
        super().close()


def _number(record: LogRecord) -> int:
    """The number of a job, which events name in two ways."""
    fields = vars(record)
    return int(fields["jobid"] if "jobid" in fields else fields["job_id"])
