"""Records of who works in the folder of a run, and what damaged ones say."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from conceptrast.plan.run_folder import HOLDERS, LOCKS, hold, release_stale_lock


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A folder with a lock of Snakemake's."""
    (tmp_path / LOCKS).mkdir(parents=True)
    (tmp_path / LOCKS / "0.input.lock").touch()
    (tmp_path / HOLDERS).mkdir()
    return tmp_path


def test_the_process_that_holds_the_lock_is_named(locked: Path) -> None:
    free = hold(locked)
    assert f"is in use by process {os.getpid()} " in str(release_stale_lock(locked))
    free()
    assert not list((locked / HOLDERS).iterdir())


@pytest.mark.parametrize("process", [0, -1, 2**31, None])
def test_a_record_without_a_process_that_can_be_is_damaged(locked: Path, process: object) -> None:
    record = {"host": socket.gethostname(), "process": process, "started": 0.0}
    (locked / HOLDERS / "damaged.json").write_text(json.dumps(record))
    assert release_stale_lock(locked) is None
    assert list((locked / LOCKS).iterdir())  # nobody knows whose it is
