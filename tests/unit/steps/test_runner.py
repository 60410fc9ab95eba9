"""Steps take their arguments from the signature of `main` and end with one line where the user can put things right."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conceptrast.base.errors import DataError
from conceptrast.steps.runner import run


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def test_parameters_become_options(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def main(
        settings: dict[str, Any],
        class_names: Path,
        shards: list[Path],
        weights: Path | None = None,
        key: str = "",
        workers: int = 0,
    ) -> None:
        seen.update(settings=settings, class_names=class_names, shards=shards, weights=weights, key=key, n=workers)

    given = ["--settings", '{"seed": 3}', "--class-names", "a.json", "--shards", "0.npz", "1.npz", "--workers", "2"]
    run(main, given)
    assert seen == {
        "settings": {"seed": 3}, "class_names": Path("a.json"), "shards": [Path("0.npz"), Path("1.npz")],
        "weights": None, "key": "", "n": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("root: the folder x does not exist"), "error: root: the folder x does not exist"),
        (OSError(errno.ENOSPC, "No space left on device", "out.npz"), "no room left on the disk while writing out.npz"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "out.npz"), "no room left on the disk while writing out.npz"),
        (OSError(errno.EFBIG, "File too large"), "no room left on the disk while writing a result"),
        (PermissionError(errno.EACCES, "Permission denied", "out.npz"), "out.npz: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "out.npz"), "out.npz: Read-only file system"),
    ],
)
def test_what_a_user_can_put_right_is_one_line_and_in_the_log(tmp_path: Path, error: Exception, said: str) -> None:
    def main(settings: dict[str, Any]) -> None:
        raise error

    log = tmp_path / "logs" / "step.log"
    with pytest.raises(SystemExit) as stopped:
        run(main, ["--settings", "{}", "--log", str(log)])
    assert stopped.value.code == 1
    assert said in log.read_text()
    assert "Traceback" not in log.read_text()


def test_what_nobody_foresaw_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    def main(settings: dict[str, Any]) -> None:
        raise ZeroDivisionError("surprise")

    log = tmp_path / "step.log"
    with pytest.raises(SystemExit):
        run(main, ["--settings", "{}", "--log", str(log)])
    assert "ZeroDivisionError: surprise" in log.read_text()
