"""A step that the server forks behaves like one that is started alone."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import conceptrast
from conceptrast.steps.fork_server import APART, FIRST, PACKAGES, SERVER, SOURCE, _code_of, _methods
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


def steps_in(folder: Path) -> set[int]:
    """Processes that a server has forked for steps in this folder, and that still run."""
    numbers = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                forked = b"conceptrast.steps.fork_server" in (entry / "cmdline").read_bytes()
                if forked and (entry / "cwd").readlink() == folder:
                    numbers.add(int(entry.name))
    return numbers


def children_of(process: int) -> list[int]:
    """Numbers of the processes that a process has started and that still run."""
    tasks = Path(f"/proc/{process}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def has_command(process: int) -> bool:
    """Whether a process runs. One that has ended and that nobody has asked about has no command."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


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


def test_a_server_ends_when_its_parents_input_is_closed() -> None:
    command = [sys.executable, "-c", START_SERVER]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    path = Path(parent.stdout.readline().strip())
    [server] = children_of(parent.pid)
    assert path.exists()
    parent.communicate()
    assert not path.exists()
    wait_for(lambda: not has_command(server))


def test_a_step_runs_with_its_arguments_in_its_folder(step_server: str, tmp_path: Path) -> None:
    pd.DataFrame({"model": ["net"], "accuracy": [0.5]}).to_csv(tmp_path / "models.csv", index=False)
    headline = {"table": "models", "owner": "model", "words": [], "headlines": None, "rows": {}, "measure": ""}
    files = ["--tables", "models.csv", "--metrics", "metrics.json", "--log", "step.log"]
    step = start(step_server, "--settings", json.dumps({"headlines": [headline]}), *files, folder=tmp_path)
    _, errors = step.communicate()
    assert step.returncode == 0, errors
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"net/accuracy": 0.5}


def test_the_packages_are_there_already(step_server: str, tmp_path: Path) -> None:
    step = start(step_server, "--help", folder=tmp_path, module="conceptrast.steps.figures")
    output, _ = step.communicate()
    assert step.returncode == 0
    assert "--components" in output
    assert "torch.fx" in PACKAGES[:FIRST]


def test_all_modules_are_there_but_those_that_no_step_imports() -> None:
    """That steps import nothing of the other rooms is a contract of the layers."""
    modules = pkgutil.walk_packages(conceptrast.__path__, "conceptrast.")
    names = {module.name for module in modules if not module.ispkg and "._" not in module.name}
    assert {name.split(".")[1] for name in names - set(_methods())} == set(APART)
    assert set(_methods()) < names
    for name in _methods():
        importlib.import_module(name)


def test_an_error_ends_with_its_message_and_its_status(step_server: str, tmp_path: Path) -> None:
    files = ["--tables", "missing.csv", "--metrics", "metrics.json"]
    step = start(step_server, "--settings", SETTINGS, *files, folder=tmp_path)
    _, errors = step.communicate()
    assert step.returncode == 1
    assert "missing.csv" in errors
    assert "Traceback" not in errors
    wrong = start(step_server, "--settings", "{", folder=tmp_path)
    assert "argument --settings" in wrong.communicate()[1]
    assert wrong.returncode == 2


def test_a_step_imports_its_own_clones_code_where_a_file_differs(
    step_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SOURCE, tmp_path / "conceptrast", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (tmp_path / "conceptrast" / "base" / "files.py").open("a") as file:
        file.write("print('edited')\n")
    output, errors = start(step_server, "--help", folder=tmp_path).communicate()
    assert "edited" in output, errors
    assert "--tables" in output


def test_code_is_told_by_the_names_and_contents_of_all_files(tmp_path: Path) -> None:
    whole = tmp_path / "one"
    (whole / "static").mkdir(parents=True)
    (whole / "a.py").write_text("a = 1")
    (whole / "static" / "page.html").write_text("page")
    before = _code_of(str(whole))
    copy = shutil.copytree(whole, tmp_path / "two")
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "a.pyc").write_bytes(b"compiled")
    assert _code_of(str(copy)) == before
    (copy / "static" / "page.html").write_text("gape")
    assert _code_of(str(copy)) != before
    (whole / ".#a.py").symlink_to("user@machine.1")  # an editor's lock leads nowhere
    assert _code_of(str(whole)) not in {before, _code_of(str(copy))}


def test_other_modules_are_refused(step_server: str, tmp_path: Path) -> None:
    step = start(step_server, folder=tmp_path, module="http.server")
    _, errors = step.communicate()
    assert step.returncode == 1
    assert errors.strip() == "http.server is no step of conceptrast"


def test_a_step_that_is_killed_is_reported(step_server: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.csv")  # reading it waits for a writer
    files = ["--tables", "endless.csv", "--metrics", "metrics.json"]
    step = start(step_server, "--settings", SETTINGS, *files, folder=tmp_path)
    wait_for(lambda: steps_in(tmp_path))
    for child in steps_in(tmp_path):
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
def test_a_step_ends_with_the_process_that_asked_for_it(
    step_server: str, tmp_path: Path, number: signal.Signals
) -> None:
    os.mkfifo(tmp_path / "endless.csv")
    files = ["--tables", "endless.csv", "--metrics", "metrics.json"]
    step = start(step_server, "--settings", SETTINGS, *files, folder=tmp_path)
    wait_for(lambda: steps_in(tmp_path))
    step.send_signal(number)
    step.communicate()
    wait_for(lambda: not steps_in(tmp_path))


@pytest.mark.parametrize("path", ["", "/nowhere/fork_server"])
def test_a_step_without_a_server_runs_alone(path: str, tmp_path: Path) -> None:
    step = start(path, "--settings", SETTINGS, "--metrics", "metrics.json", folder=tmp_path)
    _, errors = step.communicate()
    assert step.returncode == 0, errors
    assert json.loads((tmp_path / "metrics.json").read_text()) == {}
