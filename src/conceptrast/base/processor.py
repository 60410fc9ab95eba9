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


def multiplies_small_bfloat16() -> bool:
    """Whether batches of small matrix products are faster in bfloat16 than in float32.

    They are where the processor multiplies vectors of bfloat16 (``avx512_bf16``): on an AMD EPYC twice as fast. They
    are not where it multiplies tiles (``amx_bf16``): on an Intel Xeon a third slower, perhaps because small matrices
    are copied into tiles anew for every product. Without either, bfloat16 is converted to float32 first.
    """
    flags = processor_flags()
    return "avx512_bf16" in flags and "amx_bf16" not in flags
