"""What the processor of this machine can do."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def processor_flags(file: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Names of the processor's instruction sets, as Linux lists them; empty on other systems.

    Args:
        file: the list that Linux gives.

    Example:
        >>> processor_flags(Path("/nowhere"))
        frozenset()
    """
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((frozenset(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), frozenset())


def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 by instructions of its own, so faster than float32.

    Without such instructions, bfloat16 is converted to float32 and is slower.
    """
    return not processor_flags().isdisjoint({"amx_bf16", "avx512_bf16"})
