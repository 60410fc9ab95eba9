"""``python -m tests.faults``: try all cases; with ``--quick`` only those of ``make test``; with words only some.

``--fuzz 600`` tries the readers alone, each for so many seconds.

The last line is ``N tried, N good``; the exit status is 1 if the two differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .campaign import import_once, summary, tried
from .material import make_material
from .small_run import make_small_run
from .tables import all_cases
from .tables.fuzzed import for_each_reader


def main() -> None:
    """Try the cases that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what make test tries")
    parser.add_argument("--fuzz", type=float, metavar="SECONDS", help="only random content, so long for each reader")
    parser.add_argument("--jobs", type=int, default=1, help="cases that run side by side (default 1)")
    parser.add_argument("--keep", type=Path, help="folder for the cases' files; default: a temporary one")
    parser.add_argument("words", nargs="*", help="only cases whose names hold one of these")
    options = parser.parse_args()
    cases = [
        case
        for case in (all_cases() if options.fuzz is None else for_each_reader(options.fuzz))
        if (case.quick or not options.quick)
        and (not options.words or any(word.lower() in case.name.lower() for word in options.words))
    ]
    import_once()
    with tempfile.TemporaryDirectory(prefix="conceptrast-faults-", ignore_cleanup_errors=True) as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        material = folder / "material"
        make_material(material)
        if any(case.clone for case in cases):
            make_small_run(folder / "small_run")
        outcomes = tried(cases, folder, material, lambda outcome: print(outcome, flush=True), options.jobs)
    print(summary(outcomes))
    sys.exit(not all(outcome.is_good for outcome in outcomes))


if __name__ == "__main__":
    main()
