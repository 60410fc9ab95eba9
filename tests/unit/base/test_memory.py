"""Memory that a process keeps: the system is asked for it once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conceptrast.base.environment import TUNABLES
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


PEAK = """
from conceptrast.base.environment import restart_with_environment
from conceptrast.base.memory import keep_memory
if __name__ == "__main__":
    restart_with_environment()
    keep_memory()
    import torch
    small = []
    for step in range(40):
        values = torch.ones(2**24)
        small.append(torch.ones(10))
        values = (values * 2).sum()
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.skipif(not keep_memory(), reason="this system has no glibc, whose malloc gives memory back")
def test_a_program_that_keeps_its_memory_does_not_grow(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PEAK)
    environment = {name: value for name, value in os.environ.items() if name != TUNABLES}
    command = [sys.executable, str(program)]
    peak = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert int(peak) < 700  # two tensors of 64 MiB beside torch; with the caches, many more


def test_arguments_reach_the_command_that_is_started_anew(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != TUNABLES}
    command = [sys.executable, "-m", "conceptrast.cli", "no such command: ü/<>"]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no such command: ü/<>" in result.stderr
