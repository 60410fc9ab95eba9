"""Environment variables that have to be set before a process starts: C libraries read them before its first line.

``GLIBC_TUNABLES`` turns off glibc's caches of small blocks, with which a process that keeps its memory would grow; see
:mod:`conceptrast.base.memory`.

``GOMP_SPINCOUNT`` says how long a thread of torch stays awake while it waits for the others. By default it does so for
milliseconds. If other work is on the machine, it often waits for a thread that has no core, and holds the core that
this one needs: a training on two threads then takes many times as long, and as much processor time. With a short wait
it takes as long as its share of the cores allows, and a little longer on an idle machine. No result changes.
"""

from __future__ import annotations

import os
import sys

TUNABLES = "GLIBC_TUNABLES"
WITHOUT_CACHES = ("glibc.malloc.tcache_count=0", "glibc.malloc.mxfast=0")

SPINS = "GOMP_SPINCOUNT"
FEW_SPINS = "1000"
"""A few microseconds, as libgomp itself takes where a process has more threads than there are cores."""
POLICY = "OMP_WAIT_POLICY"
"""A user's word on the same matter."""


def set_environment() -> bool:
    """Set the variables for the processes that this one starts. What the user has set stays.

    Returns:
        Whether a variable has changed. On systems other than Linux none does.

    Source: the manuals of glibc (Memory Allocation Tunables) and of libgomp (Environment Variables).

    Example:
        >>> changed = set_environment()
        >>> set_environment()
        False
    """
    if sys.platform != "linux":
        return False
    settings = os.environ.get(TUNABLES, "")
    missing = [setting for setting in WITHOUT_CACHES if setting.partition("=")[0] not in settings]
    if missing:
        os.environ[TUNABLES] = ":".join([settings, *missing]).strip(":")
    waits_long = not {SPINS, POLICY} & set(os.environ)
    if waits_long:
        os.environ[SPINS] = FEW_SPINS
    return bool(missing) or waits_long


def restart_with_environment() -> None:
    """Start this program anew, with the same arguments, unless the variables were set when it started.

    Call it first thing in a program, before heavy imports: it costs one start of Python.
    """
    if set_environment():
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
