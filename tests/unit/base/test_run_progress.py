"""How far a workflow is, in a pipe and on a terminal."""

from __future__ import annotations

import io
from itertools import count

import pytest

from conceptrast.base.run_progress import ERASE, RunProgress


def progress_of(total: int, terminal: bool) -> tuple[RunProgress, io.StringIO]:
    """Progress whose clock moves on by a second whenever it is read."""
    stream = io.StringIO()
    progress = RunProgress(stream, terminal=terminal, clock=map(float, count()).__next__)
    progress.total = total
    return progress, stream


def test_a_pipe_has_a_line_for_every_finished_step_and_nothing_is_rewritten() -> None:
    progress, stream = progress_of(3, terminal=False)
    progress.start(1, "train a")
    progress.start(2, "train b")
    progress.finish(2)
    progress.finish(1)
    progress.finish(7)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "1 of 3, about 6 s left: train b, 1 s",
        "2 of 3, about 2 s left: train a, 3 s",
    ]
    assert progress.done == 3


def test_a_terminal_has_a_bar_with_the_time_left_and_what_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    progress, stream = progress_of(4, terminal=True)
    progress.start(1, "train a")
    progress.start(2, "train b")
    assert stream.getvalue().endswith(f"{ERASE}[....................] 0 of 4; running: train a, train b")
    progress.finish(1)
    *_, line, bar = stream.getvalue().split(ERASE)
    assert line == "1 of 4, about 15 s left: train a, 4 s\n"
    assert bar == "[#####...............] 1 of 4, about 18 s left; running: train b"
    progress.fail(2)
    progress.write("an error")
    assert stream.getvalue().endswith(f"{ERASE}an error\n")
    progress.close()
    assert stream.getvalue().endswith(ERASE)


def test_a_bar_is_never_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    progress, stream = progress_of(4, terminal=True)
    progress.start(1, "a step with a very long name indeed")
    assert len(stream.getvalue().split(ERASE)[-1]) == 39
