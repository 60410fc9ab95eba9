"""What a process has used, against what it was made to use; and that a log says it and is understood."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from conceptrast.base.usage import Usage, measures_processes, seconds_since_start

pytestmark = pytest.mark.skipif(not measures_processes(), reason="only Linux tells what a process has used")

MIB = 2**20


def used_by(work: str) -> Usage:
    """What a new process says of itself after some work."""
    code = f"from conceptrast.base.usage import seconds_since_start, usage\nbegin = seconds_since_start()\n{work}\n"
    output = subprocess.run(
        [sys.executable, "-c", f"{code}print(usage(begin))"], capture_output=True, text=True, check=True
    ).stdout
    usage = Usage.parse(output)
    assert usage is not None, output
    return usage


def test_seconds_since_start_are_those_that_who_started_it_sees() -> None:
    before = time.monotonic()
    usage = used_by("import time\ntime.sleep(0.3)")
    elapsed = time.monotonic() - before
    tick = 0.02
    assert 0.3 <= usage.seconds <= elapsed + tick
    assert 0 < usage.importing <= usage.seconds - 0.3 + tick


def test_processor_time_is_that_of_the_process_and_of_its_ended_children() -> None:
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    assert used_by(busy).processor >= 0.4
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    assert used_by(child).processor >= 0.4
    sleeping = used_by("import time\ntime.sleep(0.4)")
    assert sleeping.processor < sleeping.seconds - 0.2


def test_memory_is_the_peak_and_not_what_is_left_nor_that_of_the_parent() -> None:
    before = used_by("").memory
    peak = used_by(f"block = b'1' * (200 * {MIB})\ndel block").memory
    assert 195 <= peak - before <= 230
    # A parent of 300 MiB starts a small child: getrusage would say 300 of it.
    code = "from conceptrast.base.usage import usage; print(usage(0.0))"
    parent = f"import subprocess, sys\nblock = b'1' * (300 * {MIB})\nsubprocess.run([sys.executable, '-c', {code!r}])"
    output = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True).stdout
    child = Usage.parse(output)
    assert child is not None
    assert child.memory < before + 30


@pytest.mark.parametrize("gpu_busy", [None, 0.0, 0.63, 1.0])
def test_a_log_says_it_and_is_understood(gpu_busy: float | None) -> None:
    usage = Usage(seconds=12.34, importing=1.9, processor=20.0, memory=812, gpu_busy=gpu_busy)
    assert Usage.parse(f"reading\n{usage}\n") == usage


def test_the_last_line_of_a_log_counts_and_others_are_not_mistaken_for_it() -> None:
    first = Usage(seconds=1.0, importing=0.5, processor=1.0, memory=10)
    last = Usage(seconds=2.0, importing=0.5, processor=1.0, memory=10)
    assert Usage.parse(f"{first}\nretry\n{last}\n") == last
    assert Usage.parse(f"usage: {first}\n12.3 s\n") is None
    assert Usage.parse("") is None


def test_this_process_is_older_than_its_imports() -> None:
    assert seconds_since_start() > 0
