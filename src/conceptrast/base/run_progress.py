"""How far a workflow is: a line for every finished step, and on a terminal one bar for all of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from conceptrast.base.progress import duration

BAR = 20  # letters
SHOWN_BY_RUN = "CONCEPTRAST_PROGRESS_OF_RUN"
"""Variable of the environment that is set where a run shows its progress; its steps then keep theirs in their logs."""

ERASE = "\r\x1b[K"  # the line on which the cursor stands


class RunProgress:
    """Writes how far a run is. A terminal also has a bar, with the time left and what is running now.

    The time left is what is left to do at the mean pace so far. Steps differ in length, so it is a rough estimate.

    Args:
        stream: where to write.
        terminal: whether the stream is a terminal: only there is a line rewritten.
        clock: the time, in seconds.

    Example:
        >>> import sys
        >>> progress = RunProgress(sys.stdout, terminal=False, clock=iter([0.0, 1.0, 4.0]).__next__)
        >>> progress.total = 4
        >>> progress.start(1, "train lenet")
        >>> progress.finish(1)
        1 of 4, about 12 s left: train lenet, 3 s
    """

    def __init__(self, stream: TextIO, terminal: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        self.terminal = terminal
        self.clock = clock
        self.total = 0
        self.done = 0
        self._running: dict[int, tuple[str, float]] = {}
        self._begin = clock()

    def start(self, job: int, name: str) -> None:
        """A step starts."""
        self._running[job] = (name, self.clock())
        self._draw()

    def finish(self, job: int) -> None:
        """A step is finished; one that did not start here has no line."""
        self.done += 1
        now = self.clock()
        name, start = self._running.pop(job, ("", now))
        if name:
            self.write(f"{self._state(now)}: {name}, {duration(now - start)}")

    def fail(self, job: int) -> None:
        """A step has failed: it runs no longer."""
        self._running.pop(job, None)

    def write(self, text: str) -> None:
        """Write a line above the bar."""
        self.stream.write(f"{ERASE if self.terminal else ''}{text}\n")
        self.stream.flush()
        self._draw()

    def close(self) -> None:
        """Take the bar away."""
        self._running.clear()
        if self.terminal:
            self.stream.write(ERASE)
            self.stream.flush()

    def _state(self, now: float) -> str:
        left = ""
        if 0 < self.done < self.total:
            left = f", about {duration((now - self._begin) / self.done * (self.total - self.done))} left"
        return f"{self.done} of {self.total}{left}"

    def _draw(self) -> None:
        if not self.terminal or not self._running:
            return
        full = BAR * self.done // max(self.total, 1)
        names = ", ".join(name for name, _ in self._running.values())
        line = f"[{'#' * full}{'.' * (BAR - full)}] {self._state(self.clock())}; running: {names}"
        # A line that is too long would wrap, and the next one could not erase it.
        self.stream.write(ERASE + line[: shutil.get_terminal_size().columns - 1])
        self.stream.flush()
