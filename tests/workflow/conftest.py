"""Copies of the repository with a finished run, each carried out once for all tests.

In one the tiny configuration is the default run; in the other a miniature of the pets is recorded.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conceptrast.plan.dvc_stage import DEFAULT_CONFIG, plots_of, stage_of, write_stage
from conceptrast.plan.record import read_plan
from conceptrast.steps.fork_server import SERVER

from .copies import CORES, ENVIRONMENT, REPOSITORY, Copy, made_once
from .miniature import write_miniature

MOST_OF_A_RUN = 900
"""Seconds a test may take: one of them carries out the whole run, another waits for it, on whatever machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest starts first.

    The order is: one test that needs the finished run, which carries it out; the workflow tests that need none; all
    other tests; the rest of those that need the finished run, which is there by then, those that share it first. xdist
    deals files and tests out in this order, so no worker waits for the run while there is something else to do, and the
    last tests are short.
    """
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    needing = [(item, getattr(item, "fixturenames", ())) for item in ours]
    sharing = [item for item, names in needing if "finished" in names]
    longest = [item for item, names in needing if "shared" in names]
    for item in ours:
        item.add_marker(pytest.mark.workflow)
        item.add_marker(pytest.mark.timeout(MOST_OF_A_RUN))
    rank = {id(item): 1 for item in ours} | {id(item): 4 for item in sharing} | {id(item): 3 for item in longest}
    rank |= {id(item): 0 for item in sharing[:1]}
    items.sort(key=lambda item: rank.get(id(item), 2))


@pytest.fixture(scope="session", autouse=True)
def with_step_server(step_server: str) -> None:
    """Runs of these tests share one server."""
    ENVIRONMENT[SERVER] = step_server


def carry_out_the_tiny_run(folder: Path) -> None:
    copy = Copy.of_repository(folder)
    tiny = (REPOSITORY / "config" / "tiny.yaml").read_text().replace("run: tiny", "run: default")
    (copy.folder / "config" / "config.yaml").write_text(tiny)
    copy.commit("tiny run")
    copy.must("snakemake", *CORES)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The run, done. Tests only read it; those that work in it take `copy`."""
    return Copy(made_once(tmp_path_factory, "finished", carry_out_the_tiny_run))


@pytest.fixture
def copy(finished: Copy, tmp_path: Path) -> Copy:
    """A copy of the finished run that a test may change."""
    return finished.copied(tmp_path / "clone")


@pytest.fixture(scope="session")
def recorded(finished: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The finished run, recorded with DVC and not yet committed; its stage names the folders that it fills.

    What ``dvc repro`` printed is in ``recorded.txt`` beside it. Tests only read it.
    """

    def record(folder: Path) -> None:
        copy = finished.copied(folder)
        plan = read_plan(copy.folder, DEFAULT_CONFIG)
        stage = stage_of("default", DEFAULT_CONFIG, plan.folders)
        write_stage(copy.folder / "dvc.yaml", "default", stage, plots=plots_of("default", plan.plots))
        copy.commit("the tiny run's stage")
        folder.with_name("recorded.txt").write_text(copy.must("dvc", "repro", "default"))

    return Copy(made_once(tmp_path_factory, "recorded", record))


@pytest.fixture(scope="session")
def recorded_miniature(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A run that is not the default one and has no studies, recorded by the one command that does it.

    What the command printed is in ``recorded.txt`` beside it. Tests only read it.
    """

    def record(folder: Path) -> None:
        copy = Copy.of_repository(folder)
        write_miniature(copy)
        copy.commit("a miniature")
        command = [sys.executable, "-m", "conceptrast.plan.record", "config/miniature.yaml"]
        folder.with_name("recorded.txt").write_text(copy.must(*command, env={"PYTHONPATH": str(copy.folder / "src")}))

    return Copy(made_once(tmp_path_factory, "miniature", record))
