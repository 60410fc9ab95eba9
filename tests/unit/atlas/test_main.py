"""``make atlas``: the pages of a run open, also of a run that is not finished; a mistake is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptrast.atlas import __main__ as command

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one configuration, and no browser to open."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiny.yaml").write_text((ROOT / "config" / "tiny.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.webbrowser, "open", lambda _: False)
    return tmp_path


def test_a_run_that_is_not_finished_gets_an_atlas_that_says_so(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = clone / "results" / "tiny"
    folder.mkdir(parents=True)
    command.main(["config/tiny.yaml"])
    index = folder / "atlas" / "index.html"
    assert capsys.readouterr().out == f"{index}\n"
    assert "This run is not finished, or files were removed" in index.read_text()


def test_an_atlas_that_is_there_is_opened_as_it_is(clone: Path) -> None:
    index = clone / "results" / "tiny" / "atlas" / "index.html"
    index.parent.mkdir(parents=True)
    index.write_text("mine")
    command.main(["config/tiny.yaml"])
    assert index.read_text() == "mine"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("config/other.yaml", "error: the configuration config/other.yaml does not exist"),
        ("config/tiny.yaml", "error: results/tiny does not exist: make reproduce CONFIG=config/tiny.yaml makes it"),
    ],
)
def test_what_is_missing_is_one_line(clone: Path, config: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        command.main([config])
