"""All benchmarks: ``python -m benchmarks`` prints the machine and one table, ours beside the peer, part by part.

It exits 1 where a ratio misses its target.
"""

from __future__ import annotations

import platform
import sys
import warnings
from pathlib import Path

import pandas as pd
import torch

from benchmarks import attribution, end_to_end, factorization, hyperplanes, prototypes, shift
from conceptrast.base.environment import restart_with_environment
from conceptrast.base.memory import keep_memory

PARTS = (attribution, factorization, prototypes, hyperplanes, shift, end_to_end)
"""Modules whose ``measure`` gives rows of the table."""

COLUMNS = ("benchmark", "ours_s", "peer_s", "ratio", "target")


def processor() -> str:
    """Name of the processor, with the number of threads that torch uses."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def missed(rows: pd.DataFrame) -> list[str]:
    """Benchmarks whose ratio misses the target that they have: at least that, or at most where the name says so."""
    bound = rows[rows["target"] != ""].astype({"target": float})
    at_most = bound["benchmark"].str.endswith("(at most)")
    met = (bound["ratio"] <= bound["target"]).where(at_most, bound["ratio"] >= bound["target"])
    return bound.loc[~met, "benchmark"].tolist()


def main() -> None:
    """Print the table as Markdown; exit 1 where a target is missed."""
    keep_memory()
    warnings.filterwarnings("ignore", category=UserWarning, module="captum")
    print(f"{processor()}; torch {torch.__version__}\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS), flush=True)
    parts = []
    for part in PARTS:
        parts.append(pd.DataFrame(part.measure(), columns=list(COLUMNS)))
        for row in parts[-1].itertuples(index=False):
            print("| " + " | ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row) + " |")
        sys.stdout.flush()
    if late := missed(pd.concat(parts)):
        sys.exit("target missed: " + "; ".join(late))


if __name__ == "__main__":
    restart_with_environment()
    main()
