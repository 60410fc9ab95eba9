"""A server that has imported the heavy packages once, and forks a process for each step of a run.

Most steps of a small run compute for a second or two, and importing torch and its like takes as long. So one server
imports them, and the methods of this package, when the run starts. :mod:`conceptrast.steps.start` asks it for a process
in which a step runs as usual: with its own arguments, folder, environment and output. A step of another clone imports
that clone's code, unless its files are the same. Where there is no server, e.g. on a
cluster's node, the step imports everything by itself and gives the same results.

The server listens on a socket in a folder that only the user can enter. It ends when its standard input is closed, so
at the latest with the process that started it. A run inside a run, as of another seed, asks the server that is there.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import importlib
import json
import logging
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from conceptrast.base.memory import keep_memory

SERVER = "CONCEPTRAST_FORK_SERVER"
"""Environment variable with the path of the server's socket."""

STEPS = "conceptrast.steps."
"""Steps are modules whose names begin so; the server runs no others."""

PACKAGES = (
    *("torch.fx", "conceptrast.base.torchvision_ops", "safetensors.torch", "pandas", "pyarrow.parquet", "PIL.Image"),
    *("torch._dynamo", "matplotlib.figure", "pytorch_grad_cam", "sklearn.linear_model", "sklearn.decomposition"),
    *("scipy.sparse.linalg", "skimage.segmentation", "sklearn.cluster", "mlflow.store.tracking.sqlalchemy_store"),
)
"""What is imported, the most needed first; torch's optimizers need its compiler. None of it starts threads that a
forked process would miss."""

FIRST = 3
"""The first request is answered when so many are there; the others are imported while no request waits."""

BACKLOG = 128
"""Requests that may wait while the server imports."""

PACKAGE = "conceptrast"

APART = ("api", "cli", "steps")
"""Rooms that no step imports, and the steps, which are run and not imported. The modules of the other rooms are small
and many: a step that imports what it needs of them takes a tenth of a second."""

SOURCE = str(Path(__file__).resolve().parents[1])
"""Folder of the package that this process runs."""

_FORGOTTEN: list[ModuleType] = []
"""Modules that hold operators of torch, which would vanish with them."""

_HEAD = 8
_DESCRIPTORS = 3


def start_server() -> None:
    """Start a server for the steps that this process and its children start; it ends with this process.

    Where there is one already, nothing is done. Only on Linux: elsewhere, forking a process that has imported torch is
    not safe.
    """
    if sys.platform != "linux" or os.path.exists(os.environ.get(SERVER, "")):
        return
    folder = Path(tempfile.mkdtemp(prefix="conceptrast-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    socket_file = folder / "fork_server"
    with socket.socket(socket.AF_UNIX) as listener:
        # From here on, steps can ask; the server answers them when it has imported the packages.
        listener.bind(str(socket_file))
        listener.listen(BACKLOG)
        number = listener.fileno()
        command = [sys.executable, "-m", __name__, str(number)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number])
    atexit.register(server.kill)
    os.environ[SERVER] = str(socket_file)


def request(connection: socket.socket, message: dict[str, Any]) -> None:
    """Ask a server for a step: what :func:`_take_over` takes over, its module, and this process's three streams."""
    content = json.dumps(message).encode()
    socket.send_fds(connection, [len(content).to_bytes(_HEAD, "big")], [0, 1, 2])
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What :func:`request` sent, and the numbers of the three streams in this process.

    Raises:
        EOFError: the other side has gone.
    """
    head, descriptors, _, _ = socket.recv_fds(connection, _HEAD, _DESCRIPTORS)
    if len(head) < _HEAD or len(descriptors) < _DESCRIPTORS:
        raise EOFError("no request")
    content = b""
    length = int.from_bytes(head, "big")
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise EOFError("the request ended early")
        content += part
    return json.loads(content), list(descriptors)


def serve(listener: socket.socket) -> None:
    """Import the packages, and fork a process for every request, until standard input is closed.

    What is imported stays, so no step looks through it for garbage, which would also copy its memory.
    """
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    keep_memory()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    code = _code_of(SOURCE)
    missing = [*PACKAGES, *_methods()]
    most = len(missing) - FIRST
    with listener, selectors.DefaultSelector() as ready:
        ready.register(listener, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while True:
            # Import the next package while nobody waits.
            enough = len(missing) <= most
            events = ready.select(0 if missing else None) if enough else []
            if not events and missing:
                # What cannot be imported ends the step that needs it, with a message.
                with contextlib.suppress(Exception):
                    importlib.import_module(missing.pop(0))
            # Answer those who wait.
            for key, _ in events:
                if key.fileobj is not listener:
                    return
                connection, _ = listener.accept()
                gc.freeze()
                if os.fork() == 0:
                    gc.enable()
                    listener.close()
                    ready.close()
                    _run_step(connection, code)
                connection.close()


def _methods() -> list[str]:
    """Names of the package's modules that steps import."""
    paths = sorted(file.relative_to(SOURCE).with_suffix("") for file in Path(SOURCE).rglob("[a-z]*.py"))
    return [".".join((PACKAGE, *path.parts)) for path in paths if path.parts[0] not in APART]


def _run_step(connection: socket.socket, code: str) -> NoReturn:
    """In a forked process: run the step that is asked for, tell its exit status, and end.

    Args:
        connection: from the process that asks.
        code: that of the package when this server started.
    """
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message, descriptors = receive(connection)
        _take_over(message, descriptors)
        # What is imported from here on is read anew, so this folder must not have changed either.
        if message["source"] != SOURCE and {_code_of(message["source"]), _code_of(SOURCE)} != {code}:
            _forget_code()
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        status = _status_of(message["module"])
        with contextlib.suppress(OSError):
            connection.sendall(status.to_bytes(1, "big"))
    except EOFError:
        pass
    finally:
        os._exit(status)


def _take_over(message: dict[str, Any], descriptors: list[int]) -> None:
    """Take the streams, the folder, the environment, the paths and the arguments of the process that asked."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(message["folder"])
    os.environ.clear()
    os.environ.update(message["environment"])
    sys.path[:] = message["path"]
    sys.argv = [message["module"], *message["arguments"]]


def _code_of(source: str) -> str:
    """A hash of the names and contents of a package's files; what cannot be read, e.g. an editor's lock, is empty."""
    digest = hashlib.blake2b(digest_size=16)
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = Path(folder, name)
            content = b""
            with contextlib.suppress(OSError):
                content = path.read_bytes()
            digest.update(f"{path.relative_to(source)} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _forget_code() -> None:
    """Forget the package's modules: the process that asked has other code than this one."""
    names = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
    _FORGOTTEN.extend(sys.modules.pop(name) for name in names)


def _end_with(connection: socket.socket) -> None:
    """End this process when the one that asked has gone, e.g. because Snakemake was told to stop."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _status_of(module: str) -> int:
    """Run a step's module like ``python -m`` and return its exit status."""
    try:
        if not module.startswith(STEPS):
            sys.exit(f"{module} is no step of conceptrast")
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
        status = 1
    else:
        status = 0
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
