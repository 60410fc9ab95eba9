"""Say which key to lower, and to which value, if a computation does not fit into memory."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConceptrastError

KEY = "batch_size"
"""The key that says how many pictures go through a model together."""

#: How torch, on the CPU (two ways) and on a GPU, and numpy say that they got no memory, and how much they asked for.
_MESSAGES = (
    r"can't allocate memory: you tried to allocate (?P<number>\d+) (?P<unit>bytes)",
    r"not enough memory: you tried to allocate (?P<number>\d+) (?P<unit>bytes)",
    r"out of memory. Tried to allocate (?P<number>[\d.]+) (?P<unit>[KMG]iB)",
    r"Unable to allocate (?P<number>[\d.]+) (?P<unit>bytes|[KMGTPE]iB) for an array",
)
_UNITS = {"bytes": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5, "EiB": 6}


class OutOfMemoryError(ConceptrastError, MemoryError):
    """A batch does not fit into memory; the message names the key to lower and a value to try."""


@contextmanager
def memory_explained(batch_sizes: Mapping[str, int]) -> Iterator[None]:
    """If the block runs out of memory, raise an error that says which batch size to lower.

    Args:
        batch_sizes: the batch sizes in use, by the keys that set them.

    Raises:
        OutOfMemoryError: numpy, torch or Python got no memory.

    Example:
        >>> with memory_explained({"batch_size": 64}):
        ...     raise MemoryError
        Traceback (most recent call last):
        conceptrast.base.out_of_memory.OutOfMemoryError: not enough memory: lower batch_size, which is 64, e.g. to 32
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except (MemoryError, RuntimeError) as error:
        wanted = bytes_wanted(error)
        if wanted is None:
            raise
        on_gpu = "CUDA" in str(error)
        raise OutOfMemoryError(advice(wanted, None if on_gpu else free_memory(), batch_sizes)) from error


def bytes_wanted(error: BaseException) -> int | None:
    """How many bytes a failed allocation asked for; ``0`` if that is not known, ``None`` if ``error`` is another error.

    Example:
        >>> bytes_wanted(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."))
        64
        >>> bytes_wanted(RuntimeError("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has …")) == 1.5 * 2**30
        True
        >>> bytes_wanted(RuntimeError("shapes differ")) is None
        True
    """
    for pattern in _MESSAGES:
        match = re.search(pattern, str(error))
        if match:
            return int(float(match["number"]) * 1024 ** _UNITS[match["unit"]])
    return 0 if isinstance(error, MemoryError) else None


def free_memory() -> int | None:
    """Bytes that this process can still get: what the system has left, or its own limit or that of its container.

    ``None`` if it is not known.

    Example:
        >>> free_memory() > 0
        True
    """
    try:
        left = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    process = [] if limit == resource.RLIM_INFINITY else [limit - pages * resource.getpagesize()]
    system = [] if left is None else [1024 * int(left[1])]
    container = left_in_container()
    known = [*system, *process, *([] if container is None else [container])]
    return max(0, min(known)) if known else None


def left_in_container(
    cgroups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int | None:
    """Bytes below the limit of this process's control group, by which containers and clusters bound memory.

    Args:
        cgroups: where the groups are mounted, in version 2 or 1.
        membership: lists the groups of this process, ``number:controller:path`` in each line.

    Returns:
        The bytes; ``None`` if there is no limit.

    Source: the kernel's documentation, *Control Group v2* (``memory.max``, ``memory.current``).

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name, text in (("memory.max", "2048"), ("memory.current", "48"), ("groups", "0::/")):
        ...     _ = (folder / name).write_text(text)
        >>> left_in_container(folder, folder / "groups")
        2000
    """
    try:
        groups = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return None
    for _, controllers, path in groups:
        if controllers not in ("", "memory"):
            continue
        # In a container, the path is that of the machine, and the group is mounted at the root.
        mounted = cgroups if not controllers else cgroups / "memory"
        names = (
            ("memory.max", "memory.current") if not controllers else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        for folder in (mounted / path.lstrip("/"), mounted):
            try:
                limit, used = (int((folder / name).read_text()) for name in names)
            except (OSError, ValueError):  # no such file, or the limit is `max`
                continue
            return limit - used
    return None


def advice(wanted: int, free: int | None, batch_sizes: Mapping[str, int]) -> str:
    """What to lower, and to which value.

    The value is half of the one in use, halved again until what was asked for would take half of the free memory.

    Args:
        wanted: bytes that were asked for at once; 0 if unknown.
        free: bytes that there were; ``None`` if unknown.
        batch_sizes: as in :func:`memory_explained`.

    Example:
        >>> advice(9 * 2**30, 6 * 2**30, {"batch_size": 96})
        'not enough memory: 9.0 GiB were asked for at once, 6.0 GiB are free; lower batch_size, which is 96, e.g. to 24'
        >>> advice(0, None, {})
        'not enough memory: free some, or run on a machine that has more'
    """
    amount = f" {wanted / 2**30:.1f} GiB were asked for at once" if wanted else ""
    if amount and free is not None:
        amount += f", {free / 2**30:.1f} GiB are free"
    start = "not enough memory:" + amount + (";" if amount else "")
    lowered = {key: _lower(size, wanted, free) for key, size in batch_sizes.items() if size > 1}
    if not lowered:
        return f"{start} free some, or run on a machine that has more"
    keys = ", ".join(f"{key}, which is {batch_sizes[key]}, e.g. to {size}" for key, size in lowered.items())
    return f"{start} lower {keys}"


def _lower(size: int, wanted: int, free: int | None) -> int:
    """A smaller batch."""
    lower = size // 2
    while free is not None and lower > 1 and wanted * lower > size * free / 2:
        lower //= 2
    return lower


def batch_sizes_in(settings: Mapping[str, Any]) -> dict[str, int]:
    """The batch sizes that a step uses, by their keys.

    Those of a model's training count only if there are no others: the other steps get the model's entry, too.

    Example:
        >>> model = {"model": {"train": {"batch_size": 32}}}
        >>> batch_sizes_in({**model, "batch_size": 64, "decoder": {"batch_size": 16}})
        {'batch_size': 64, 'decoder.batch_size': 16}
        >>> batch_sizes_in(model)
        {'model.train.batch_size': 32}
    """
    sizes = dict(_batch_sizes(settings))
    of_steps = {key: size for key, size in sizes.items() if not key.startswith("model.")}
    return of_steps or sizes


def _batch_sizes(settings: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, int]]:
    for key, value in settings.items():
        if key == KEY:
            yield at + key, value
        elif isinstance(value, Mapping):
            yield from _batch_sizes(value, f"{at}{key}.")
