"""Start a step: ``python -m conceptrast.steps.start conceptrast.steps.train --settings …``.

If the run has a server (:mod:`conceptrast.steps.fork_server`), the step runs in a process that this server forks, with
the heavy packages there already. Otherwise it runs here. Its output, its exit status and its results are the same.
"""

from __future__ import annotations

import os
import runpy
import socket
import sys
from collections.abc import Sequence

from conceptrast.steps.fork_server import SERVER, SOURCE, request

KILLED = 137
"""Exit status of a step that ended without telling one."""


def main() -> None:
    """Run the step that the first argument names, with the other arguments."""
    module, *arguments = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as connection:
        if _is_connected(connection):
            sys.exit(_run_there(connection, module, arguments))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _is_connected(connection: socket.socket) -> bool:
    """Connect to the run's server, if there is one."""
    path = os.environ.get(SERVER)
    if not path:
        return False
    try:
        connection.connect(path)
    except OSError:
        return False
    return True


def _run_there(connection: socket.socket, module: str, arguments: Sequence[str]) -> int:
    """Let the server run the step; return its exit status."""
    message = {"module": module, "arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    try:
        request(connection, message | {"path": sys.path, "source": SOURCE})
        status = connection.recv(1)
    except KeyboardInterrupt:
        return 130
    except ConnectionError:  # killed before it had read what it was asked for
        status = b""
    if not status:
        print(f"error: {module} was killed, perhaps because memory was short", file=sys.stderr)
        return KILLED
    return status[0]


if __name__ == "__main__":
    main()
