"""How busy a GPU is: read from a program that says what ``nvidia-smi`` would."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from conceptrast.base.gpu_watch import first_gpu, watched_gpu

ANSWER = 10.0
"""Seconds in which the program has to answer."""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``nvidia-smi`` that notes its arguments, gives three values and then goes on running."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho $$ > {tmp_path}/pid\n'
        'printf "40\\n[N/A]\\n 90 \\n"\nexec sleep 60\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def wait_for(shares: list[float], number: int) -> None:
    """Wait until the program has given so many values."""
    end = time.monotonic() + ANSWER
    while len(shares) < number and time.monotonic() < end:
        time.sleep(0.01)


def test_numbers_are_read_and_the_program_ends_with_the_block(smi: Path) -> None:
    with watched_gpu() as shares:
        wait_for(shares, 2)
    assert shares == [0.4, 0.9]
    assert (smi / "arguments").read_text().split() == [
        "--id=0",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "--loop=1",
    ]
    assert not Path(f"/proc/{(smi / 'pid').read_text().strip()}").exists()


def test_the_program_ends_although_the_block_raises(smi: Path) -> None:
    with suppress(KeyError), watched_gpu() as shares:
        wait_for(shares, 2)
        raise KeyError
    assert not Path(f"/proc/{(smi / 'pid').read_text().strip()}").exists()


def test_the_gpu_is_the_first_that_the_process_may_use(smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f2c,1")
    with watched_gpu() as shares:
        wait_for(shares, 2)
    assert (smi / "arguments").read_text().startswith("--id=GPU-8f2c ")


@pytest.mark.parametrize("visible", ["", "-1"])
def test_a_process_that_may_use_no_gpu_watches_none(smi: Path, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert first_gpu() is None
    with watched_gpu() as shares:
        pass
    assert shares == []
    assert not (smi / "pid").exists()


def test_without_the_program_nothing_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with watched_gpu() as shares:
        pass
    assert shares == []


def test_a_program_that_fails_gives_nothing(smi: Path) -> None:
    (smi / "nvidia-smi").write_text("#!/bin/sh\necho no devices were found >&2\nexit 6\n")
    with watched_gpu() as shares:
        pass
    assert shares == []
