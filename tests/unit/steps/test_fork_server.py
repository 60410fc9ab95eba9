"""A step that the server forks behaves like one that is started alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from conceptrast.steps.fork_server import FIRST, PACKAGES, SERVER, _methods
from conceptrast.steps.start import KILLED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server runs on Linux alone")

SETTINGS = json.dumps({"headlines": []})
START_SERVER = """
import os, sys
from conceptrast.steps.fork_server import SERVER, start_server
start_server()
print(os.environ[SERVER], flush=True)
sys.stdin.read()
"""


class Server(NamedTuple):
    """A process that has started a server, and the path of its socket."""

    parent: int
    path: str

    def steps(self) -> set[int]:
        """Processes that the server has forked and that still run."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        servers = {number for number, parent in parents.items() if parent == self.parent}
        return {number for number, parent in parents.items() if parent in servers}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server ends when its parent's input is closed."""
    command = [sys.executable, "-c", START_SERVER]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    path = parent.stdout.readline().strip()
    yield Server(parent.pid, path)
    parent.communicate()
    assert not Path(path).exists()


def start(path: str, *arguments: str, folder: Path, module: str = "conceptrast.steps.metrics") -> subprocess.Popen[str]:
    """A step that is started with a server. It can be interrupted, even if these tests run in a shell's background."""
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "conceptrast.steps.start", module, *arguments],
        env={**os.environ, SERVER: path},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a function gives something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def test_a_step_runs_with_its_arguments_in_its_folder(server: Server, tmp_path: Path) -> None:
    pd.DataFrame({"model": ["net"], "accuracy": [0.5]}).to_csv(tmp_path / "models.csv", index=False)
    headline = {"table": "models", "owner": "model", "words": [], "headlines": None, "rows": {}, "measure": ""}
    files = ["--tables", "models.csv", "--metrics", "metrics.json", "--log", "step.log"]
    step = start(server.path, "--settings", json.dumps({"headlines": [headline]}), *files, folder=tmp_path)
    _, errors = step.communicate()
    assert step.returncode == 0, errors
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"net/accuracy": 0.5}


def test_the_packages_are_there_already(server: Server, tmp_path: Path) -> None:
    step = start(server.path, "--help", folder=tmp_path, module="conceptrast.steps.figures")
    output, _ = step.communicate()
    assert step.returncode == 0
    assert "--components" in output
    assert "torch.fx" in PACKAGES[:FIRST]


def test_the_methods_are_there_and_no_step() -> None:
    """Nothing of the package is left for a step to import but modules of steps."""
    program = (
        "import importlib, sys\nfrom conceptrast.steps.fork_server import _methods\n"
        "names = _methods()\n[importlib.import_module(name) for name in names]\nbefore = set(sys.modules)\n"
        "import conceptrast.steps.figures, conceptrast.steps.counterfactual, conceptrast.steps.track\n"
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('conceptrast')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    left = done.stdout.split()
    assert {"conceptrast.steps.figures", "conceptrast.steps.track"} <= set(left)
    assert [name for name in left if not name.startswith("conceptrast.steps.")] == []
    assert [name for name in _methods() if name.split(".")[1] in ("api", "cli", "steps")] == []


def test_an_error_ends_with_its_message_and_its_status(server: Server, tmp_path: Path) -> None:
    files = ["--tables", "missing.csv", "--metrics", "metrics.json"]
    step = start(server.path, "--settings", SETTINGS, *files, folder=tmp_path)
    _, errors = step.communicate()
    assert step.returncode == 1
    assert "missing.csv" in errors
    assert "Traceback" not in errors
    wrong = start(server.path, "--settings", "{", folder=tmp_path)
    assert "argument --settings" in wrong.communicate()[1]
    assert wrong.returncode == 2


def test_other_modules_are_refused(server: Server, tmp_path: Path) -> None:
    step = start(server.path, folder=tmp_path, module="http.server")
    _, errors = step.communicate()
    assert step.returncode == 1
    assert errors.strip() == "http.server is no step of conceptrast"


def test_a_step_that_is_killed_is_reported(server: Server, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.csv")  # reading it waits for a writer
    files = ["--tables", "endless.csv", "--metrics", "metrics.json"]
    step = start(server.path, "--settings", SETTINGS, *files, folder=tmp_path)
    wait_for(server.steps)
    for child in server.steps():
        os.kill(child, signal.SIGKILL)
    _, errors = step.communicate()
    assert step.returncode == KILLED
    assert "conceptrast.steps.metrics was killed" in errors


def test_a_step_that_is_killed_before_it_has_read_its_request_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "fork_server"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        step = start(str(path), "--settings", SETTINGS, folder=tmp_path)
        # A connection is closed with its request unread, as the system does for a process that is killed.
        listener.accept()[0].close()
        _, errors = step.communicate()
    assert step.returncode == KILLED
    assert errors == "error: conceptrast.steps.metrics was killed, perhaps because memory was short\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_step_ends_with_the_process_that_asked_for_it(server: Server, tmp_path: Path, number: signal.Signals) -> None:
    os.mkfifo(tmp_path / "endless.csv")
    files = ["--tables", "endless.csv", "--metrics", "metrics.json"]
    step = start(server.path, "--settings", SETTINGS, *files, folder=tmp_path)
    wait_for(server.steps)
    step.send_signal(number)
    step.communicate()
    wait_for(lambda: not server.steps())


@pytest.mark.parametrize("path", ["", "/nowhere/fork_server"])
def test_a_step_without_a_server_runs_alone(path: str, tmp_path: Path) -> None:
    step = start(path, "--settings", SETTINGS, "--metrics", "metrics.json", folder=tmp_path)
    _, errors = step.communicate()
    assert step.returncode == 0, errors
    assert json.loads((tmp_path / "metrics.json").read_text()) == {}
