"""Recording a run: which photographs are recorded, where, and what a wrong command says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conceptrast.plan.record import fetched_folders, main, read_plan, unrecorded, write_photographs_file

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("name", "folders"),
    [("config", []), ("imagenette", ["data/imagenette-160"]), ("pets", ["data/pets"]), ("midog", []), ("imagenet", [])],
)
def test_photographs_are_those_that_the_run_fetches(name: str, folders: list[str]) -> None:
    assert fetched_folders(read_plan(REPOSITORY, f"config/{name}.yaml")) == folders


def test_photographs_are_recorded_away_from_their_folder_so_that_their_fingerprint_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "a" / "pets").mkdir(parents=True)
    assert write_photographs_file(tmp_path, "data/a/pets") == "photographs/a-pets.dvc"
    content = yaml.safe_load((tmp_path / "photographs" / "a-pets.dvc").read_text())
    assert content == {"wdir": "../data/a", "outs": [{"path": "pets"}]}
    assert not list((tmp_path / "data").rglob("*.dvc"))


def test_what_dvc_recorded_of_photographs_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "data" / "pets").mkdir(parents=True)
    file = tmp_path / str(write_photographs_file(tmp_path, "data/pets"))
    file.write_text("recorded")
    assert write_photographs_file(tmp_path, "data/pets") == "photographs/pets.dvc"
    assert file.read_text() == "recorded"


@pytest.mark.parametrize("folder", ["data/absent", "../pets", "/tmp", "~/pets", "data/tracked"])
def test_folders_that_dvc_cannot_or_need_not_record_are_left_alone(tmp_path: Path, folder: str) -> None:
    (tmp_path / "data" / "tracked").mkdir(parents=True)
    (tmp_path / "data" / "tracked.dvc").touch()
    assert write_photographs_file(tmp_path, folder) is None
    assert not (tmp_path / "photographs").exists()


def test_stages_without_a_record_are_named(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {default: {}, pets: {}}")
    assert unrecorded(tmp_path) == ["default", "pets"]
    (tmp_path / "dvc.lock").write_text("stages: {pets: {}}")
    assert unrecorded(tmp_path) == ["default"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("config/absent.yaml", "error: the configuration config/absent.yaml does not exist"),
        ("/tmp/mine.yaml", "error: the configuration /tmp/mine.yaml lies outside the repository"),
        ("config/list.yaml", "error: config/list.yaml holds no keys"),
        ("config/broken.yaml", "error: config/broken.yaml, line 1: no YAML: "),
    ],
)
def test_a_wrong_configuration_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: str, message: str
) -> None:
    (tmp_path / "Snakefile").touch()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "list.yaml").write_text("- run\n")
    (tmp_path / "config" / "broken.yaml").write_text("run: [")
    monkeypatch.chdir(tmp_path)
    assert main([config]) == 1
    assert capsys.readouterr().err.startswith(message)


def test_it_wants_to_be_called_in_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["config/config.yaml"]) == 1
    assert "is not the root of the repository: it holds no Snakefile" in capsys.readouterr().err
