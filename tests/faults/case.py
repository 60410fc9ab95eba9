"""One case of the campaign: what is done, and what a demanding user expects of it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

Action = Callable[[], None]
Preparation = Callable[[Path], None]


SKIPPED = 77
"""Exit status of a case that this machine does not permit."""


def skip(reason: str) -> NoReturn:
    """End a case that this machine does not permit."""
    print(reason, flush=True)
    os._exit(SKIPPED)


def nothing(folder: Path) -> None:
    """Leave the case's folder as it is."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table.

    Args:
        name: the input or the fault, in a few words.
        action: runs in a process of its own, in the case's folder, which holds what :mod:`~.material` makes.
        prepare: puts what is wrong into that folder.
        exit: the exit status that is right.
        says: texts that the output must hold.
        never: texts that it must not hold; a traceback never belongs there.
        lines: highest number of lines on standard error; ``None`` where progress is reported there.
        seconds: the longest that it may take.
        unchanged: files and folders in the case's folder that must be afterwards as they were.
        absent: files that must not be there afterwards.
        made: files that must.
        quick: whether ``make test`` tries it, too.
        cause: number of the cause of issue 15 that the case belongs to; 0 for none.
        clone: whether its folder holds ``clone``, a copy of the repository with a finished small run.
        user: run it as a user without rights, where the campaign itself runs as root.
    """

    name: str
    action: Action
    prepare: Preparation = nothing
    exit: int = 1
    says: Sequence[str] = ()
    never: Sequence[str] = ()
    lines: int | None = None
    seconds: float = 10
    unchanged: Sequence[str] = ()
    absent: Sequence[str] = ()
    made: Sequence[str] = ()
    quick: bool = True
    cause: int = 0
    clone: bool = False
    user: bool = False


def conceptrast(words: str) -> Action:
    """The command line of the package: ``conceptrast(\"layers --model resnet10\")``."""

    def act() -> None:
        from conceptrast.cli import main

        main(shlex.split(words))

    return act


def step(name: str, settings: str, words: str) -> Action:
    """A step of the workflow, with its settings as JSON and its files as options."""

    def act() -> None:
        from importlib import import_module

        from conceptrast.steps.runner import run

        run(import_module(f"conceptrast.steps.{name}").main, ["--settings", settings, *shlex.split(words)])

    return act


@dataclass(frozen=True)
class Outcome:
    """What came of a case: ``faults`` is empty if all was as expected.

    Args:
        case: the case.
        seconds: how long it took.
        faults: what was not as expected.
        output: what it printed.
        skipped: why this machine does not permit it; empty if it does.
    """

    case: Case
    seconds: float
    faults: list[str] = field(default_factory=list)
    output: str = ""
    skipped: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all was as expected."""
        return not self.faults

    def __str__(self) -> str:
        """One line; if something was wrong, with what was wrong and the end of the output."""
        if self.skipped:
            return f"skip          {self.case.name}: {self.skipped}"
        line = f"{'good' if self.is_good else 'BAD '} {self.seconds:5.1f} s  {self.case.name}"
        if self.is_good:
            return line
        return "\n".join([line, *(f"      {fault}" for fault in self.faults), *_indented(self.output)])


def _indented(output: str, most: int = 12) -> list[str]:
    return [f"      | {line[:300]}" for line in output.splitlines()[-most:]]
