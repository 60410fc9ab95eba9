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
from ..case import Action, Case, conceptrast, skip
from ..small_run import COMMANDS, RULES, RUN, environment, started

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


def killed_in_every_epoch() -> None:
    """Train, and kill the training whenever it has saved an epoch; it goes on from there."""
    words = words_of("train")
    checkpoint = Path(RESULTS, words[words.index("--weights") + 1] + ".checkpoint.pt")
    kills = 0
    while True:
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        step = subprocess.Popen(["python", "-m", "conceptrast.steps.start", *words], cwd=RESULTS, env=environment())
        while step.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                step.kill()
                kills += 1
                break
            time.sleep(0.01)
        if step.wait() == 0:
            print(f"{kills} kills")
            return


def with_little_memory(words: str, megabytes: int) -> Action:
    """A command while its process may have only so much more memory."""

    def act() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        conceptrast(words)()

    return act


GROUPS = Path("/sys/fs/cgroup")
"""Where the system's control groups are."""


def in_group(action: Action, megabytes: int) -> Action:
    """Do something in a control group of so much memory: what takes more is killed by the system without a word."""

    def act() -> None:
        version_1 = (GROUPS / "memory").is_dir()
        group = GROUPS / ("memory" if version_1 else "") / f"conceptrast-faults-{os.getpid()}"
        try:
            group.mkdir()
            (group / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(megabytes * 2**20))
        except OSError as error:
            skip(f"no control group can be made: {error}")
        process = os.fork()
        if not process:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            run_and_exit(action)
        _, status = os.waitpid(process, 0)
        group.rmdir()
        code = os.waitstatus_to_exitcode(status)
        print(f"ended with {code}")
        sys.exit(code if code >= 0 else 128 - code)

    return act


def without_route(*command: str) -> Action:
    """A command of the package in a network namespace without any interface but a loopback that is down."""

    def act() -> None:
        isolated = ["unshare", "--map-root-user", "--net"]
        if subprocess.run([*isolated, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
            skip("no network namespace can be made")
        done = subprocess.run([*isolated, sys.executable, *command], check=False, env=in_package())
        sys.exit(done.returncode)

    return act


def in_package() -> dict[str, str]:
    """The environment in which Python finds this package."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def watched(action: Action) -> Action:
    """Do something and count the connections to other machines that it tries."""

    def act() -> None:
        tried: list[object] = []

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") and not str(arguments[-1]).startswith(
                "/"
            ):
                tried.append((event, arguments[1:]))

        sys.addaudithook(hook)
        try:
            action()
        finally:
            print(f"{len(tried)} connections tried {tried[:3]}")

    return act


#: The step that has no input of another rule.
FIRST = "index"

#: What a kill must not change; logs and times of trainings may.
NUMBERS = [f"{RESULTS}/{name}" for name in ("tables", "studies", "models/lenet.safetensors", "metrics.json")]

MODEL = "--input-size 16 --class-names names.json"
WIDE = "--factory networks:ten_thousand --input-size 16 --class-names many.json"

OTHERS = [
    Case(
        name="a training killed in every epoch",
        action=killed_in_every_epoch,
        clone=True,
        quick=False,
        seconds=180,
        exit=0,
        says=["kills"],
        never=["0 kills"],
        unchanged=[RESULTS + "/models/lenet.safetensors"],
    ),
    *(
        Case(
            name=f"no connection is tried: {rule}",
            action=watched(lambda rule=rule: carried_out(rule)),
            clone=True,
            quick=False,
            seconds=120,
            exit=0,
            says=["0 connections tried"],
        )
        for rule in ("index", "train", "track")
    ),
    Case(
        name="no connection is tried: explain",
        quick=False,
        seconds=60,
        exit=0,
        says=["0 connections tried"],
        action=watched(
            conceptrast(f"explain --factory networks:colours {MODEL} --images pictures --class red --out out")
        ),
    ),
    Case(
        name="no route to any machine: explain",
        quick=False,
        seconds=90,
        exit=0,
        made=["out/explanation.csv"],
        action=without_route(
            *("-m", "conceptrast.cli", "explain", "--factory", "networks:colours", *MODEL.split()),
            *("--images", "pictures", "--class", "red", "--out", "out"),
        ),
    ),
    Case(
        name="no route to any machine: a whole run",
        clone=True,
        quick=False,
        seconds=300,
        exit=0,
        says=["100%"],
        unchanged=NUMBERS,
        action=lambda: sys.exit(
            started("unshare --map-root-user --net snakemake --cores 2 --forcerun predict track").wait()
        ),
    ),
    Case(
        name="10,000 classes: a map",
        quick=False,
        seconds=60,
        exit=0,
        made=["out/saliency.png"],
        action=conceptrast(f"saliency {WIDE} --image pictures/red-0.png --out out"),
    ),
    Case(
        name="10,000 classes: a class",
        quick=False,
        seconds=120,
        exit=0,
        made=["out/explanation.png"],
        action=conceptrast(f"explain {WIDE} --images pictures --class red --out out"),
    ),
    Case(
        name="10,000 classes: an unknown one",
        quick=False,
        seconds=30,
        says=["unknown class 'clas 77'", "class 77"],
        lines=2,
        action=conceptrast(f"explain {WIDE} --images pictures --class 'clas 77' --out out"),
    ),
    *(
        Case(
            name=f"memory for {megabytes} MiB more",
            quick=False,
            seconds=60,
            says=["GiB are free", "--input-size"],
            lines=6,
            action=with_little_memory(
                f"saliency --factory networks:colours --input-size {side} --class-names names.json "
                "--image pictures/red-0.png --out out",
                megabytes,
            ),
        )
        for megabytes, side in ((300, 6000), (900, 10000))
    ),
    *(
        Case(
            name=f"a control group of 2 GiB: {side} pixels",
            quick=False,
            seconds=90,
            exit=exit,
            says=says,
            action=in_group(
                conceptrast(
                    f"saliency --factory networks:colours --input-size {side} --class-names names.json "
                    "--image pictures/red-0.png --out out"
                ),
                2048,
            ),
        )
        for side, exit, says in ((1000, 0, ["ended with 0"]), (6000, 1, ["GiB"]), (20000, 1, ["GiB"]))
    ),
]

CASES = [
    *OTHERS,
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
            unchanged=NUMBERS,
        )
        for rule in RULES
    ),
]
