"""Batches that do not fit into memory: real allocations fail, and the message says what to lower."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from conceptrast.base.out_of_memory import OutOfMemoryError, advice, bytes_wanted, free_memory, memory_explained

GIB = 2**30

# Address space is limited to half a GiB more than the process has, so that what asks for more fails at once.
LIMITED = """
import resource, sys
import numpy as np, torch
from conceptrast.base.out_of_memory import memory_explained
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29,) * 2)
for call in sys.argv[1:]:
    try:
        with memory_explained({"batch_size": 512}):
            eval(call)
    except MemoryError as error:
        print(error)
"""
CALLS = {
    "torch.empty(512, 3, 1024, 1024)": "6.0",
    "np.ones((512, 3, 1024, 1024), np.float32)": "6.0",
    "torch.nn.functional.conv2d(torch.ones(512, 3, 64, 64), torch.ones(512, 3, 1, 1))": "4.0",
    "bytearray(8 * 2**30)": None,
}


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    """What a process of limited memory says of every call."""
    command = [sys.executable, "-c", LIMITED, *CALLS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(CALLS, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize(("call", "wanted"), CALLS.items())
def test_real_allocations_that_fail_name_the_key_and_a_smaller_value(messages, call, wanted):
    message = messages[call]
    if wanted is None:
        assert message == "not enough memory: lower batch_size, which is 512, e.g. to 256"
        return
    pattern = (
        r"not enough memory: (.*) GiB were asked for at once, (.*) GiB are free; lower batch_size, which is 512, e.g."
    )
    match = re.match(pattern + r" to (\d+)$", message)
    assert match, message
    assert match[1] == wanted
    assert 0 < float(match[2]) <= 0.5
    # What is asked for is proportional to the batch: with the smaller one it takes at most half of the free memory.
    assert float(match[1]) * int(match[3]) / 512 <= float(match[2]) / 2 + 0.03


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
         "allocate 39321600 bytes. Error code 12 (Cannot allocate memory)", 39321600),
        ("[enforce fail at …] DefaultCPUAllocator: not enough memory: you tried to allocate 64 bytes.",
         64),
        ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB", 20 * 2**20),
        ("Given groups=1, weight of size [8, 3, 3, 3], expected input to have 3 channels", None),
    ],
)  # fmt: skip
def test_messages_of_torch_are_told_from_other_errors(message, wanted):
    assert bytes_wanted(RuntimeError(message)) == wanted


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no")])
def test_other_errors_stay_as_they_are(error):
    with pytest.raises(type(error)) as caught, memory_explained({"batch_size": 8}):
        raise error
    assert caught.value is error


def test_an_error_that_is_explained_already_is_not_explained_again():
    first = OutOfMemoryError("not enough memory: lower batch_size, which is 8, e.g. to 4")
    with pytest.raises(OutOfMemoryError) as caught, memory_explained({}):
        raise first
    assert caught.value is first


@pytest.mark.parametrize(
    ("wanted", "free", "lower"), [(8, 8, 32), (8, 7, 16), (8, 4, 16), (64, 1, 1), (0, 4, 32), (8, None, 32)]
)
def test_the_value_to_try_is_a_half_or_what_fits_into_half_of_the_free_memory(wanted, free, lower):
    line = advice(wanted * GIB, None if free is None else free * GIB, {"batch_size": 64})
    assert line.endswith(f"lower batch_size, which is 64, e.g. to {lower}")


def test_a_batch_of_one_cannot_be_lowered():
    line = advice(8 * GIB, 4 * GIB, {"batch_size": 1})
    assert line.endswith("4.0 GiB are free; free some, or run on a machine that has more")


def test_there_is_some_free_memory():
    assert 2**20 < free_memory() < 2**50
