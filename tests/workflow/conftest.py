"""A copy of the repository in which the tiny configuration is the default run, carried out once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .copies import REPOSITORY, Copy


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the finished run go to one worker of xdist, so that it is carried out once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.workflow)
            shares = "finished" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("workflow" if shares else item.path.stem))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The run, done. Tests must not change it: they take `copy`."""
    copy = Copy.of_repository(tmp_path_factory.mktemp("finished") / "clone")
    tiny = (REPOSITORY / "config" / "tiny.yaml").read_text().replace("run: tiny", "run: default")
    (copy.folder / "config" / "config.yaml").write_text(tiny)
    copy.commit("tiny run")
    done = copy.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.fixture
def copy(finished: Copy, tmp_path: Path) -> Copy:
    """A copy of the finished run that a test may change."""
    shutil.copytree(finished.folder, tmp_path / "clone", symlinks=True, ignore=shutil.ignore_patterns("locks"))
    return Copy(tmp_path / "clone")
