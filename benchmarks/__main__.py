"""All benchmarks: ``python -m benchmarks`` prints one table, ours beside the peer, and the machine."""

from __future__ import annotations

import platform
import warnings
from pathlib import Path

import pandas as pd
import torch

from benchmarks import attribution, prototypes


def processor() -> str:
    """Name of the processor, with the number of threads that torch uses."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def main() -> None:
    """Print the table as Markdown."""
    warnings.filterwarnings("ignore", category=UserWarning, module="captum")
    rows = pd.DataFrame([*attribution.measure(), *prototypes.measure()])
    print(f"{processor()}; torch {torch.__version__}\n")
    print("| " + " | ".join(rows.columns) + " |")
    print("|" + "---|" * len(rows.columns))
    for row in rows.itertuples(index=False):
        print("| " + " | ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row) + " |")


if __name__ == "__main__":
    main()
