"""What a forked process does to run Snakemake: `copies.py` gives it a request, one of the names of the script."""

from __future__ import annotations

import atexit
import os
import sys

from snakemake.cli import main

if __name__ == "__main__":
    request = globals()["REQUEST"]
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, file in enumerate(request["streams"], start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.argv[:] = request["command"]
    try:
        main()
    finally:
        # Processes of `multiprocessing` leave this out.
        atexit._run_exitfuncs()
