"""The quick part of the campaign: one process that imports once and forks for each case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_bad_inputs_get_what_a_user_expects() -> None:
    command = [sys.executable, "-m", "tests.faults", "--quick"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    good = [line for line in done.stdout.splitlines() if line.startswith("good")]
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if line not in good) + done.stderr
    assert len(good) > 150


def test_a_hang_a_kill_and_a_wrong_exit_are_reported(tmp_path: Path) -> None:
    script = """
import os, signal, sys, time
from pathlib import Path
from tests.faults.campaign import summary, tried
from tests.faults.case import Case
cases = [
    Case(name="hangs", action=lambda: time.sleep(60), seconds=0.2),
    Case(name="killed", action=lambda: os.kill(os.getpid(), signal.SIGKILL)),
    Case(name="exits", action=lambda: sys.exit(3)),
    Case(name="writes", action=lambda: Path("a").write_text("b"), exit=0, unchanged=["a"], absent=["a"]),
    Case(name="says", action=lambda: print("no"), exit=0, says=["yes"]),
    Case(name="good", action=lambda: sys.exit("yes"), says=["yes"]),
]
folder = Path(sys.argv[1])
(folder / "material").mkdir()
(folder / "material" / "a").write_text("a")
outcomes = tried(cases, folder, folder / "material", print)
print(summary(outcomes))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for fault in (
        "still running after 0.2 s",
        "killed by SIGKILL",
        "exit status 3, expected 1",
        "a has changed",
        "a is there",
        "does not say 'yes'",
        "6 tried, 1 good",
    ):
        assert fault in done.stdout, done.stdout
