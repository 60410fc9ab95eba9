"""How busy a GPU is while a step works, as ``nvidia-smi`` says once a second."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

PROGRAM = "nvidia-smi"
QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop=1")


def first_gpu() -> str | None:
    """Index or identifier of the first GPU that this process may use; None if it may use none.

    Example:
        >>> os.environ["CUDA_VISIBLE_DEVICES"] = "2,3"
        >>> first_gpu()
        '2'
        >>> del os.environ["CUDA_VISIBLE_DEVICES"]
        >>> first_gpu()
        '0'
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return visible if visible not in ("", "-1") else None


@contextmanager
def watched_gpu() -> Iterator[list[float]]:
    """Give the list of how busy the first visible GPU was in each second of the block, from 0 to 1.

    A second counts as busy as far as at least one kernel ran in it. That says nothing of how full the GPU was. The
    list stays empty where there is no ``nvidia-smi``, no GPU, or a GPU that does not tell.
    """
    shares: list[float] = []
    program = shutil.which(PROGRAM)
    gpu = first_gpu()
    if program is None or gpu is None:
        yield shares
        return
    # A pipe and no file: if this process is killed, nvidia-smi ends when it next writes.
    process = subprocess.Popen(
        [program, f"--id={gpu}", *QUERY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_collect, args=(process.stdout, shares), daemon=True)
    reader.start()
    try:
        yield shares
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()


def _collect(lines: IO[str], shares: list[float]) -> None:
    """Add each line that is a number of percent. A GPU that does not tell gives ``[N/A]``."""
    for line in lines:
        if line.strip().isdecimal():
            shares.append(int(line) / 100)
