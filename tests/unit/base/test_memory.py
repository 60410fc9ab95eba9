"""Memory that a process keeps: the system is asked for it once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conceptrast.base.memory import keep_memory

FAULTS = """
import resource, sys
import numpy as np
from conceptrast.base.memory import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
np.ones(2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str) -> int:
    """Page faults of a process that makes and frees a block of 8 MiB (2,048 pages) twenty times."""
    command = [sys.executable, "-c", FAULTS, word]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not keep_memory(), reason="this system has no glibc, whose malloc gives memory back")
def test_blocks_are_taken_from_the_system_once() -> None:
    assert faults("keep") < 2 * 2048 < faults("give back")


def test_nothing_is_done_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert not keep_memory()
