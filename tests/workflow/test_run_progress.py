"""Snakemake's log as a line for every finished step, of a workflow with three steps."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from conceptrast.base.run_progress import ERASE

SNAKEFILE = """
rule all:
    input: "a.txt", "b.txt"
rule write:
    output: "{name}.txt"
    log: "{name}.log"
    shell:
        "test $CONCEPTRAST_PROGRESS_OF_RUN = 1; "
        "test {wildcards.name} != $BAD || {{ printf 'no such %s' luck > {log}; exit 3; }}; touch {output}"
"""


def command(*options: str) -> list[str]:
    """Snakemake, which goes on with the other steps if one fails."""
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--show-failed-logs"]
    return [*snakemake, "--logger", "conceptrast", *options]


def carried_out(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A run whose step a fails, and whose output goes into pipes."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    environment = {**os.environ, "BAD": "a"}
    return subprocess.run(command(*options), cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_pipe_has_a_line_for_every_finished_step_and_the_errors(tmp_path: Path) -> None:
    outcome = carried_out(tmp_path)
    assert outcome.returncode == 1
    [line] = [line for line in outcome.stderr.splitlines() if line.startswith("1 of 3")]
    assert ": write b, " in line
    assert "2 of 3" not in outcome.stderr
    assert "Error in rule write" in outcome.stderr
    assert "no such luck" in outcome.stderr
    assert ERASE not in outcome.stderr


def test_quiet_leaves_the_lines_out_and_not_the_errors(tmp_path: Path) -> None:
    outcome = carried_out(tmp_path, "--quiet")
    assert outcome.returncode == 1
    assert (tmp_path / "b.txt").exists()
    assert " of 3" not in outcome.stderr
    assert "Error in rule write" in outcome.stderr
    assert "no such luck" in outcome.stderr


def test_a_terminal_has_a_bar_that_is_gone_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "BAD": "none", "COLUMNS": "120"}
    subprocess.run(command(), cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stderr=theirs, check=True)
    os.close(theirs)
    text = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "running: write" in text
    assert "[######" in text
    assert text.endswith(ERASE)
