"""Try cases, each in a process that is forked for it. This process reports a hang, a kill and an exit.

The packages are imported once, before the first fork. So a case costs what it does itself and no more.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from .case import SKIPPED, Action, Case, Outcome

PACKAGES = (
    *("torch", "torch.fx", "conceptrast.base.torchvision_ops", "pandas", "pyarrow.parquet", "matplotlib.figure"),
    *("sklearn.decomposition", "conceptrast.api.study", "conceptrast.cli", "conceptrast.steps.index"),
    *("conceptrast.plan.plan", "conceptrast.models.torchvision_family", "conceptrast.saliency.cam_variants"),
)
NOBODY = 65534
"""User and group without rights."""


def import_once() -> None:
    """Import what most cases need. None of it starts a thread, so that the process can be forked."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for package in PACKAGES:
        importlib.import_module(package)
    importlib.import_module("conceptrast.plan.analyses").configuration()
    # The collector would write into every object of a forked process, and so copy all its memory.
    gc.collect()
    gc.freeze()


def tried(
    cases: Iterable[Case], folder: Path, material: Path, report: Callable[[Outcome], None], jobs: int = 1
) -> list[Outcome]:
    """What came of each case, in the order in which they ended.

    Args:
        cases: what is tried.
        folder: gets a folder for each case; that of a good case is deleted again.
        material: is copied into each of these folders; or ``small_run`` beside it, if a case asks for a clone.
        report: is called with each outcome.
        jobs: cases that run side by side.
    """
    waiting = list(enumerate(cases))[::-1]
    running: dict[int, _Trial] = {}
    outcomes = []
    while waiting or running:
        while waiting and len(running) < jobs:
            number, case = waiting.pop()
            trial = _Trial(case, folder / f"{number:03d}", material)
            running[trial.start()] = trial
        for process in list(running):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and running[process].is_late:
                running[process].hangs = True
                os.killpg(process, signal.SIGKILL)
                ended, status = os.waitpid(process, 0)
            if ended:
                outcomes.append(running.pop(process).outcome(status))
                report(outcomes[-1])
        time.sleep(0.005)
    return outcomes


class _Trial:
    """One case while it runs."""

    def __init__(self, case: Case, folder: Path, material: Path) -> None:
        self.case = case
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.hangs = False
        self.started = 0.0
        if case.clone:
            shutil.copytree(material.with_name("small_run"), folder / "clone", symlinks=True)
        else:
            shutil.copytree(material, folder, symlinks=True)
        case.prepare(folder)
        self.before = {name: contents(folder / name) for name in case.unchanged}

    @property
    def is_late(self) -> bool:
        """Whether the case has taken longer than it may."""
        return time.monotonic() - self.started > self.case.seconds

    def start(self) -> int:
        """Fork the process of the case and return its number."""
        if self.case.user and os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        self.log.touch()  # a case may be late before its process has opened it
        sys.stdout.flush()
        sys.stderr.flush()
        self.started = time.monotonic()
        process = os.fork()
        if not process:
            self._run()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(process, process)
        return process

    def _run(self) -> NoReturn:
        """In the forked process: do what the case says, and end like a program of its own."""
        os.setpgid(0, 0)
        os.chdir(self.folder)
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        if self.case.user and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        run_and_exit(self.case.action)

    def outcome(self, status: int) -> Outcome:
        """What came of it, from the status that the process ended with."""
        seconds = time.monotonic() - self.started
        output = self.log.read_text(errors="replace")
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == SKIPPED:
            outcome = Outcome(self.case, seconds, output=output, skipped=output.strip() or "not permitted here")
        else:
            outcome = Outcome(self.case, seconds, list(self._faults(status, output)), output)
        if outcome.is_good:
            shutil.rmtree(self.folder, ignore_errors=True)
        return outcome

    def _faults(self, status: int, output: str) -> Iterable[str]:
        case = self.case
        # How it ended.
        if self.hangs:
            yield f"still running after {case.seconds:g} s"
        elif os.WIFSIGNALED(status):
            yield f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
        elif os.WEXITSTATUS(status) != case.exit:
            yield f"exit status {os.WEXITSTATUS(status)}, expected {case.exit}"
        # What it said.
        yield from (f"does not say {text!r}" for text in case.says if text not in output)
        yield from (f"says {text!r}" for text in ("Traceback", *case.never) if text in output)
        lines = len(output.splitlines())
        if case.lines is not None and lines > case.lines:
            yield f"{lines} lines, expected {case.lines} at most"
        # What it left.
        yield from (
            f"{name} has changed" for name, before in self.before.items() if contents(self.folder / name) != before
        )
        yield from (f"{name} is there" for name in case.absent if (self.folder / name).exists())
        yield from (f"{name} is missing" for name in case.made if not (self.folder / name).exists())


def run_and_exit(action: Action) -> NoReturn:
    """Do something in a forked process, and end like a program of its own."""
    status = 0
    try:
        action()
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def contents(path: Path) -> dict[str, str]:
    """Hashes of a file, or of all files below a folder, by their paths."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def summary(outcomes: Sequence[Outcome]) -> str:
    """The last line of a campaign; cases that this machine does not permit are not counted as tried."""
    tried_here = [outcome for outcome in outcomes if not outcome.skipped]
    skipped = len(outcomes) - len(tried_here)
    left_out = f"{skipped} skipped: this machine does not permit them\n" if skipped else ""
    return f"{left_out}{len(tried_here)} tried, {sum(outcome.is_good for outcome in tried_here)} good"
