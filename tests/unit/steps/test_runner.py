"""Steps take their arguments from the fields of their files, and end with one line where a user can help."""

from __future__ import annotations

import errno
import importlib
import inspect
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from conceptrast import steps
from conceptrast.base.errors import DataError
from conceptrast.base.run_progress import SHOWN_BY_RUN
from conceptrast.base.usage import Usage
from conceptrast.steps.runner import DEVICE, call, parser_of, run


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    level = root.level
    yield
    root.handlers[:] = handlers
    root.level = level
    logging.captureWarnings(False)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    class_names: Path
    shards: list[Path]
    weights: Path | None = None
    key: str = ""
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    table: Path


@pytest.fixture
def step() -> tuple[Callable[..., None], list[Any]]:
    """A step that notes what it is called with."""
    calls: list[Any] = []

    def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
        calls.append((settings, inputs, outputs))

    return main, calls


OPTIONS = ["--settings", '{"seed": 3}', "--class-names", "a.json", "--table", "my tables/t.csv"]


def test_fields_become_options(step: tuple[Callable[..., None], list[Any]]) -> None:
    main, calls = step
    run(main, [*OPTIONS, "--shards", "0.npz", "1.npz", "--weights", "w.pt", "--key", "k", "--workers", "2"])
    shards = [Path("0.npz"), Path("1.npz")]
    inputs = Inputs(class_names=Path("a.json"), shards=shards, weights=Path("w.pt"), key="k", workers=2)
    assert calls == [({"seed": 3}, inputs, Outputs(table=Path("my tables/t.csv")))]


def test_what_is_left_out_has_its_default(step: tuple[Callable[..., None], list[Any]]) -> None:
    main, calls = step
    run(main, OPTIONS)
    assert calls == [
        ({"seed": 3}, Inputs(class_names=Path("a.json"), shards=[]), Outputs(table=Path("my tables/t.csv")))
    ]


@pytest.mark.parametrize("missing", ["--class-names", "--table", "--settings"])
def test_a_file_without_a_default_has_to_be_named(
    step: tuple[Callable[..., None], list[Any]], missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main, calls = step
    place = OPTIONS.index(missing)
    with pytest.raises(SystemExit):
        run(main, OPTIONS[:place] + OPTIONS[place + 2 :])
    assert f"the following arguments are required: {missing}" in capsys.readouterr().err
    assert not calls


def test_a_step_that_opens_no_pictures_takes_threads_and_workers_too(tmp_path: Path) -> None:
    calls = []

    def main(settings: dict[str, Any], inputs: Outputs) -> None:
        calls.append(inputs)

    run(main, ["--settings", "{}", "--table", "t.csv", "--threads", "1", "--workers", "4"])
    assert calls == [Outputs(table=Path("t.csv"))]


def test_threads_limit_torch(step: tuple[Callable[..., None], list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=limits.append))
    run(step[0], [*OPTIONS, "--threads", "3"])
    assert limits == [3]


def test_threads_limit_the_linear_algebra_of_numpy(step: tuple[Callable[..., None], list[Any]]) -> None:
    main, _ = step
    with threadpool_limits(limits=2):
        run(main, [*OPTIONS, "--threads", "1"])
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}


def test_files_that_no_field_is_named_like_are_refused(step: tuple[Callable[..., None], list[Any]]) -> None:
    main, calls = step
    with pytest.raises(TypeError, match="has no files named tabel"):
        call(main, {}, class_names=Path("a.json"), shards=[], table=Path("t.csv"), tabel=Path("t.csv"))
    with pytest.raises(TypeError, match="table"):
        call(main, {}, class_names=Path("a.json"), shards=[])
    assert not calls


def test_every_step_has_a_command_line() -> None:
    for path in Path(steps.__file__).parent.glob("*.py"):
        module = importlib.import_module(f"conceptrast.steps.{path.stem}")
        if hasattr(module, "main"):
            assert "--settings" in parser_of(module.main).format_help(), path.stem


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("root: the folder x does not exist"), "error: root: the folder x does not exist"),
        (OSError(errno.ENOSPC, "No space left on device", "out.npz"), "no room left on the disk while writing out.npz"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "out.npz"), "no room left on the disk while writing out.npz"),
        (OSError(errno.EFBIG, "File too large"), "no room left on the disk while writing a result"),
        (PermissionError(errno.EACCES, "Permission denied", "out.npz"), "out.npz: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "out.npz"), "out.npz: Read-only file system"),
    ],
)
def test_what_a_user_can_put_right_is_one_line_and_in_the_log(tmp_path: Path, error: Exception, message: str) -> None:
    def main(settings: dict[str, Any]) -> None:
        raise error

    log = tmp_path / "logs" / "step.log"
    with pytest.raises(SystemExit) as stopped:
        run(main, ["--settings", "{}", "--log", str(log)])
    assert stopped.value.code == 1
    assert message in log.read_text()
    assert "Traceback" not in log.read_text()


def test_what_nobody_foresaw_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    def main(settings: dict[str, Any]) -> None:
        raise ZeroDivisionError("surprise")

    log = tmp_path / "step.log"
    with pytest.raises(SystemExit):
        run(main, ["--settings", "{}", "--log", str(log)])
    assert "ZeroDivisionError: surprise" in log.read_text()


def test_a_log_ends_with_what_the_step_used_and_the_screen_is_left_alone(
    tmp_path: Path, step: tuple[Callable[..., None], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "step.log"
    run(step[0], [*OPTIONS, "--log", str(log)])
    assert capsys.readouterr().err == ""
    usage = Usage.parse(log.read_text().splitlines()[-1])
    assert usage is not None
    assert 0 < usage.importing <= usage.seconds
    assert usage.gpu_busy is None


@pytest.mark.parametrize("by_run", [False, True])
def test_a_step_keeps_its_progress_off_the_screen_where_the_run_shows_its(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by_run: bool
) -> None:
    def main(settings: dict[str, Any], outputs: Outputs) -> None:
        logging.getLogger("conceptrast").info("a step of progress")
        logging.getLogger("conceptrast").warning("a warning")

    if by_run:
        monkeypatch.setenv(SHOWN_BY_RUN, "1")
    log = tmp_path / "step.log"
    run(main, ["--settings", "{}", "--table", "t.csv", "--log", str(log)])
    screen = capsys.readouterr().err
    assert "a warning" in screen
    assert ("a step of progress" in screen) == (not by_run)
    assert log.read_text().splitlines()[:2] == ["a step of progress", "a warning"]


def test_a_log_of_a_step_that_fails_ends_with_its_error(tmp_path: Path) -> None:
    def main(settings: dict[str, Any], outputs: Outputs) -> None:
        raise DataError("no pictures")

    log = tmp_path / "step.log"
    with pytest.raises(SystemExit):
        run(main, ["--settings", "{}", "--table", "t.csv", "--log", str(log)])
    assert log.read_text() == "error: no pictures\n"


@pytest.mark.parametrize(("initialized", "busy"), [(True, 0.7), (False, None)])
def test_a_step_that_used_the_gpu_says_how_busy_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, initialized: bool, busy: float | None
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\nprintf '60\\n80\\n'\ntouch {tmp_path}/answered\nexec sleep 60\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    cuda = SimpleNamespace(is_initialized=lambda: initialized)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setitem(sys.modules, DEVICE, SimpleNamespace())

    def main(settings: dict[str, Any], outputs: Outputs) -> None:
        end = time.monotonic() + 10
        while not (tmp_path / "answered").exists() and time.monotonic() < end:
            time.sleep(0.01)

    log = tmp_path / "step.log"
    run(main, ["--settings", "{}", "--table", "t.csv", "--log", str(log)])
    usage = Usage.parse(log.read_text())
    assert usage is not None
    assert usage.gpu_busy == busy


def test_the_gpu_is_watched_for_steps_that_choose_where_a_model_computes() -> None:
    assert Path(inspect.getfile(importlib.import_module(DEVICE))).read_text().count("torch.cuda.is_available()") > 0
