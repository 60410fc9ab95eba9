"""Every step of the workflow with a full disk, a damaged input, and a kill; what it had written before stays."""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..campaign import run_and_exit
from ..case import Action, Case
from ..small_run import COMMANDS, RULES, RUN, environment

LITTLE = 20
"""Bytes that a file may have where the disk is full."""

RESULTS = f"clone/results/{RUN}"


def words_of(rule: str) -> list[str]:
    """The words of a rule's step."""
    return json.loads(Path("clone", COMMANDS).read_text())[rule]


def carried_out(rule: str) -> None:
    """The step of a rule in this process, in the folder of the run."""
    module, *arguments = words_of(rule)
    os.environ.update(PYTHONPATH=str(Path("clone/src").resolve()))
    os.chdir(RESULTS)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def with_little_room(rule: str) -> Action:
    """The step while no file may be longer than some bytes, as on a full disk."""

    def act() -> None:
        # What it says goes through a pipe, so that this does not count.
        receiver, sender = os.pipe()
        process = os.fork()
        if not process:
            for descriptor in (1, 2):
                os.dup2(sender, descriptor)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LITTLE, LITTLE))
            run_and_exit(lambda: carried_out(rule))
        os.close(sender)
        with os.fdopen(receiver) as stream:
            print(stream.read())
        _, status = os.waitpid(process, 0)
        sys.exit(os.waitstatus_to_exitcode(status))

    return act


def damaged_input(rule: str) -> Callable[[Path], None]:
    """Turn 60 bytes in the middle of the first input that another rule has made."""

    def prepare(folder: Path) -> None:
        words = json.loads((folder / "clone" / COMMANDS).read_text())[rule]
        run = folder / RESULTS
        records = [json.loads(file.read_text()) for file in sorted((run / "hashes").rglob("*.json"))]
        made = {file for record in records if record["rule"] != rule for file in record["files"]}
        file = run / next(word for word in words if word in made)
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        for place in range(max(0, middle - 30), min(len(content), middle + 30)):
            content[place] ^= 0x5A
        file.write_bytes(bytes(content))

    return prepare


def killed(rule: str) -> Action:
    """Start the step in a process of its own and kill it, earlier and later; then carry it out."""

    def act() -> None:
        for wait in (0.4, 0.8, 1.2, 1.6):
            command = ["python", "-m", "conceptrast.steps.start", *words_of(rule)]
            step = subprocess.Popen(command, cwd=RESULTS, env=environment())
            time.sleep(wait)
            step.kill()
            step.wait()
        carried_out(rule)

    return act


#: The step that has no input of another rule.
FIRST = "index"

CASES = [
    *(
        Case(
            name=f"disk full: {rule}",
            action=with_little_room(rule),
            clone=True,
            quick=False,
            seconds=60,
            says=["no room left on the disk"],
            unchanged=[RESULTS + "/tables", RESULTS + "/studies", RESULTS + "/hashes"],
        )
        for rule in RULES
    ),
    *(
        Case(
            name=f"damaged input: {rule}",
            action=lambda rule=rule: carried_out(rule),
            prepare=damaged_input(rule),
            clone=True,
            quick=False,
            seconds=60,
            cause=8,
            says=["has changed since rule", "delete it"],
            lines=None,
            unchanged=[RESULTS + "/tables", RESULTS + "/hashes", RESULTS + "/metrics.json"],
        )
        for rule in RULES
        if rule != FIRST
    ),
    *(
        Case(
            name=f"killed four times: {rule}",
            action=killed(rule),
            clone=True,
            quick=False,
            seconds=120,
            exit=0,
            unchanged=[RESULTS + "/tables", RESULTS + "/studies", RESULTS + "/models", RESULTS + "/metrics.json"],
        )
        for rule in RULES
    ),
]
