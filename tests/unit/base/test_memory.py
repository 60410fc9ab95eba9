"""Memory that a process keeps: the system is asked for it once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conceptrast.base.memory import keep_memory

FAULTS = """
import ctypes, resource, sys
from conceptrast.base.memory import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
size = 2**26
for _ in range(10):
    block = libc.malloc(size)
    for page in range(0, size, 2**12):
        ctypes.c_char.from_address(block + page).value = b"x"
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
PAGES = 2**14
"""Pages of one block."""


def faults(word: str) -> int:
    """Page faults of a process that takes, fills and frees a block of 64 MiB ten times."""
    command = [sys.executable, "-c", FAULTS, word]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not keep_memory(), reason="this system has no glibc, whose malloc gives memory back")
def test_blocks_are_taken_from_the_system_once() -> None:
    assert faults("keep") < 2 * PAGES < 9 * PAGES < faults("give back")


def test_nothing_is_done_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert not keep_memory()
