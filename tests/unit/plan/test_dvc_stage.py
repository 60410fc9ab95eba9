"""The stages of DVC: those of the project, what they hold by what a run does, and how dvc.yaml is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conceptrast.base.errors import ConfigError
from conceptrast.plan.dvc_stage import DEFAULT_CONFIG, stage_of, write_stage
from conceptrast.plan.record import read_plan

REPOSITORY = Path(__file__).resolve().parents[3]

FOLDERS = {
    "config": ["datasets", "models", "predictions", "studies", "pages", "insertion", "saliency", "dff", "latent_bias"],
    "imagenette": ["datasets", "predictions", "studies", "pages", "insertion", "saliency", "dff"],
    "recipes": ["datasets", "predictions", "studies", "pages"],
    "imagenet": ["datasets", "predictions", "studies", "pages", "insertion"],
    "midog": ["datasets", "models", "predictions", "studies", "pages"],
    "pets": ["datasets", "latent_bias"],
    "pets-steps": ["datasets", "latent_bias"],
    "seeds": ["seeds"],
}


def test_dvc_yaml_holds_the_default_run_alone_as_its_configuration_gives_it() -> None:
    folders = read_plan(REPOSITORY, DEFAULT_CONFIG).folders
    written = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
    assert written == {"stages": {"default": stage_of("default", DEFAULT_CONFIG, folders)}}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_run_records_the_folders_that_it_fills(name: str) -> None:
    assert read_plan(REPOSITORY, f"config/{name}.yaml").folders == FOLDERS[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the project's dvc.yaml."""
    copy = tmp_path / "dvc.yaml"
    copy.write_text((REPOSITORY / "dvc.yaml").read_text())
    return copy


def test_a_new_stage_leaves_what_is_there_to_the_letter(file: Path) -> None:
    before = file.read_text()
    stage = stage_of("pets", "config/pets.yaml", FOLDERS["pets"])
    assert write_stage(file, "pets", stage)
    assert file.read_text().startswith(before)
    assert yaml.safe_load(file.read_text())["stages"]["pets"] == stage
    assert "      - results/pets/tables: {cache: false, persist: true}\n" in file.read_text()


def test_a_stage_that_is_up_to_date_changes_nothing(file: Path) -> None:
    before = file.read_text()
    assert not write_stage(file, "default", stage_of("default", DEFAULT_CONFIG, FOLDERS["config"]))
    assert file.read_text() == before


def test_a_stage_follows_its_configuration(file: Path) -> None:
    before = file.read_text()
    assert write_stage(file, "default", stage_of("default", DEFAULT_CONFIG, FOLDERS["config"][:-1]))
    assert file.read_text() == before.replace("      - results/default/latent_bias: {persist: true}\n", "")


def test_two_configurations_cannot_record_the_same_run(file: Path) -> None:
    before = file.read_text()
    with pytest.raises(ConfigError, match=r"config/mine.yaml: the run 'default' in dvc.yaml is that of config/config"):
        write_stage(file, "default", stage_of("default", "config/mine.yaml", ["datasets"]))
    assert file.read_text() == before


def test_a_file_without_stages_gets_its_first(tmp_path: Path) -> None:
    stage = stage_of("pets", "config/pets.yaml", FOLDERS["pets"])
    write_stage(tmp_path / "dvc.yaml", "pets", stage)
    assert yaml.safe_load((tmp_path / "dvc.yaml").read_text()) == {"stages": {"pets": stage}}
