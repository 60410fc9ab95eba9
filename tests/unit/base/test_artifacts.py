"""Hashes of a run's files: what is written, what a step refuses, what `verify` counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptrast.base.artifacts import changes_in, origins, refuse_changed, write_record
from conceptrast.base.errors import DataError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a table, and a folder of figures beside its manifest."""
    monkeypatch.chdir(tmp_path)
    Path("cards").mkdir()
    for name, content in (("table.csv", "a\n1\n"), ("cards.csv", "file\n"), ("cards/one.png", "picture")):
        Path(name).write_text(content)
    write_record(Path("logs/tables.log"), "tables", [Path("table.csv")])
    write_record(Path("logs/figures/one.log"), "figures", [Path("cards.csv")])
    return tmp_path


def test_files_as_they_were_written_pass(run):
    assert set(origins(run)) == {"table.csv", "cards.csv", "cards/one.png"}
    refuse_changed([Path("table.csv"), Path("cards/one.png"), Path("of-nobody.csv")])
    assert changes_in(run) == (3, [])


def test_a_changed_file_is_refused_by_its_name_and_rule(run):
    Path("table.csv").write_text("a\n2\n")
    with pytest.raises(DataError, match=r"table\.csv has changed since rule tables wrote it: delete it"):
        refuse_changed([Path("cards.csv"), Path("table.csv")])
    right, [line] = changes_in(run)
    assert right == 2
    assert "table.csv" in line


def test_a_file_of_a_folder_is_refused_and_a_missing_one_is_not(run):
    Path("cards/one.png").write_text("another")
    Path("table.csv").unlink()
    with pytest.raises(DataError, match=r"one\.png has changed since rule figures"):
        refuse_changed([Path("cards/one.png"), Path("table.csv")])


def test_either_hash_of_a_file_with_two_records_is_right(run):
    Path("table.csv").write_text("a\n2\n")
    write_record(Path("logs/renamed.log"), "renamed", [Path("table.csv")])
    refuse_changed([Path("table.csv")])


def test_a_damaged_record_is_named(run):
    Path("hashes/tables.json").write_text("{")
    with pytest.raises(DataError, match=r"tables\.json is damaged: delete it"):
        refuse_changed([Path("table.csv")])


def test_a_record_that_another_step_is_writing_is_not_read(run):
    Path("hashes/.tables.0a1b2c3d.part.json").write_text("{")
    Path("hashes/figures/.two.0a1b2c3d.part.json").symlink_to("gone.json")
    assert set(origins(run)) == {"table.csv", "cards.csv", "cards/one.png"}
    refuse_changed([Path("table.csv")])
