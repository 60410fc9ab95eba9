"""Memory of a process: kept for the next tensor.

glibc's ``malloc`` takes large blocks from the system and gives them back as soon as they are free. A network makes and
frees such a block in every layer, and for each the system has to map and clear its pages again. On photographs this
costs a third to a half of the processor time.

Where a process keeps its memory, large tensors must fit into the gaps that earlier ones left. They do not as long as
glibc caches small blocks (*tcache* and *fastbins*): torch asks for aligned memory, so glibc cuts a sliver off each
large block, and the caches never join the two again. The process then grows with every tensor. So
:mod:`conceptrast.base.environment` turns them off.
"""

from __future__ import annotations

import ctypes

# Numbers of the options of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3

#: Bytes, the highest first: the highest value that mallopt takes, and the highest one that glibc before 2.35 takes.
THRESHOLDS = (2**31 - 1, 2**25)


def keep_memory() -> bool:
    """Let this process keep memory that it has freed, for its next large tensors.

    Call it once, where a process starts. It changes no result.

    Returns:
        Whether the process now keeps its memory. Without glibc, nothing is done.

    Source: ``man mallopt``; the environment variables ``MALLOC_MMAP_THRESHOLD_`` and ``MALLOC_TRIM_THRESHOLD_`` do the
    same, but only if they are set before the process starts.

    Example:
        >>> keep_memory() in (True, False)
        True
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    options = (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)
    return all(any(mallopt(option, threshold) == 1 for threshold in THRESHOLDS) for option in options)
