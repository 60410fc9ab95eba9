"""Whatever DVC's lists say, after a push each file is in the remote, or an error says which is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.repo import Repo

from conceptrast.base.errors import DataError
from conceptrast.plan.push import push

LISTS = "*.dir"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two folders of two files each, and a remote beside it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "lists"))
    monkeypatch.chdir(folder)
    with Repo.init(no_scm=True) as repo:
        with repo.config.edit() as config:
            config["remote"]["beside"] = {"url": str(tmp_path / "remote")}
            config["core"]["remote"] = "beside"
        for name in ("first", "second"):
            (folder / name).mkdir()
            for number in (1, 2):
                (folder / name / f"{number}.txt").write_text(f"{name} {number}")
        repo.add(["first", "second"])
    return folder


def pushed_files(repository: Path) -> list[Path]:
    return [path for path in (repository.parent / "remote").rglob("*") if path.is_file() and not path.match(LISTS)]


def test_what_is_pushed_once_is_there(repository: Path) -> None:
    assert push(repository) == 6
    assert len(pushed_files(repository)) == 4
    assert push(repository) == 0


def test_only_the_targets_are_pushed(repository: Path) -> None:
    assert push(repository, ["first.dvc"]) == 3
    assert len(pushed_files(repository)) == 2


def test_files_are_missed_though_the_list_of_their_folder_is_there(repository: Path) -> None:
    push(repository)
    for file in pushed_files(repository)[:3]:
        file.unlink()
    with Repo(str(repository)) as repo:
        assert repo.push() == 0  # DVC looks for the lists alone
    assert push(repository) == 3
    assert len(pushed_files(repository)) == 4


def test_a_file_that_is_nowhere_is_an_error(repository: Path) -> None:
    lost = next(path for path in (repository / ".dvc" / "cache").rglob("*") if path.is_file() and not path.match(LISTS))
    lost.unlink()
    with pytest.raises(DataError, match=rf"lacks 2 files.*{lost.parent.name}{lost.name}"):
        push(repository)


def test_an_unknown_remote_is_named(repository: Path) -> None:
    with pytest.raises(DataError, match="'nowhere'"):
        push(repository, remote="nowhere")
