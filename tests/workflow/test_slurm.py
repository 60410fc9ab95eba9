"""``profiles/slurm`` where there is a SLURM cluster."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from .copies import REPOSITORY, Copy


def why_not() -> str:
    """Why no job can be given to SLURM here; empty if one can."""
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return "needs Snakemake's plugin for SLURM: pip install -e '.[slurm]'"
    if shutil.which("sinfo") is None or subprocess.run(["timeout", "5", "sinfo", "-h"], check=False).returncode:
        return "needs a SLURM cluster that answers"
    return ""


@pytest.fixture
def clone(tmp_path: Path) -> Copy:
    """A copy whose default run is the tiny one; skips where there is no SLURM."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    copy = Copy.of_repository(tmp_path / "clone")
    shutil.copy(REPOSITORY / "config" / "tiny.yaml", copy.folder / "config" / "config.yaml")
    return copy


def test_a_job_runs_on_the_cluster(clone: Copy) -> None:
    output = clone.must("snakemake", "--workflow-profile", "profiles/slurm", "datasets/digits/index.parquet")
    assert "has been submitted with SLURM jobid" in output
    assert (clone.folder / "results" / "tiny" / "datasets" / "digits" / "index.parquet").is_file()
