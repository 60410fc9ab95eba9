"""The stages of DVC: those of the project, what they hold by what a run does, and how dvc.yaml is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conceptrast.base.errors import ConfigError
from conceptrast.plan.analysis import Plot
from conceptrast.plan.dvc_stage import DEFAULT_CONFIG, plots_of, stage_of, write_stage
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
    plan = read_plan(REPOSITORY, DEFAULT_CONFIG)
    written = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
    assert written == {
        "stages": {"default": stage_of("default", DEFAULT_CONFIG, plan.folders)},
        "plots": plots_of("default", plan.plots),
    }


def test_every_plot_is_of_columns_that_a_committed_table_has_and_of_a_template_that_exists() -> None:
    plots = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["plots"]
    assert len(plots) == 5
    for plot in (content for entry in plots for content in entry.values()):
        [(table, column)] = plot["y"].items()
        header = (REPOSITORY / table).read_text().partition("\n")[0].split(",")
        assert {plot["x"], column} <= set(header)
        assert (REPOSITORY / ".dvc" / "plots" / f"{plot['template']}.json").is_file()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_run_records_the_folders_that_it_fills(name: str) -> None:
    assert read_plan(REPOSITORY, f"config/{name}.yaml").folders == FOLDERS[name]


def curves(run: str) -> list[dict[str, Any]]:
    """The plot of a run's trainings."""
    return plots_of(run, {"training_curves": Plot(title="Training", x=("epoch", "epoch"), y=("loss", "loss"))})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the project's dvc.yaml."""
    copy = tmp_path / "dvc.yaml"
    copy.write_text((REPOSITORY / "dvc.yaml").read_text())
    return copy


def test_a_new_stage_leaves_what_is_there_to_the_letter(file: Path) -> None:
    stages, plots = file.read_text().split("plots:\n")
    stage = stage_of("pets", "config/pets.yaml", FOLDERS["pets"])
    assert write_stage(file, "pets", stage, plots=curves("pets"))
    assert file.read_text().startswith(stages)
    assert f"plots:\n{plots}" in file.read_text()
    written = yaml.safe_load(file.read_text())
    assert written["stages"]["pets"] == stage
    assert written["plots"][-1:] == curves("pets")
    assert "      - results/pets/tables: {cache: false, persist: true}\n" in file.read_text()


@pytest.fixture
def plots() -> list[dict[str, Any]]:
    """The plots of the default run."""
    return plots_of("default", read_plan(REPOSITORY, DEFAULT_CONFIG).plots)


def test_a_stage_that_is_up_to_date_changes_nothing(file: Path, plots: list[dict[str, Any]]) -> None:
    before = file.read_text()
    assert not write_stage(file, "default", stage_of("default", DEFAULT_CONFIG, FOLDERS["config"]), plots=plots)
    assert file.read_text() == before


def test_a_stage_follows_its_configuration(file: Path, plots: list[dict[str, Any]]) -> None:
    before = file.read_text()
    stage = stage_of("default", DEFAULT_CONFIG, FOLDERS["config"][:-1])
    assert write_stage(file, "default", stage, plots=plots)
    assert file.read_text() == before.replace("      - results/default/latent_bias: {persist: true}\n", "")


def test_plots_of_a_run_follow_its_configuration_and_those_of_a_run_with_a_longer_name_stay(file: Path) -> None:
    for name in ("pets", "pets-steps"):
        stage = stage_of(name, f"config/{name}.yaml", FOLDERS[name])
        assert write_stage(file, name, stage, plots=curves(name))
    stage = stage_of("pets", "config/pets.yaml", FOLDERS["pets"])
    assert write_stage(file, "pets", stage, plots=[])
    names = [next(iter(plot)) for plot in yaml.safe_load(file.read_text())["plots"]]
    assert names[-2:] == ["default-latent_bias_curves", "pets-steps-training_curves"]


def test_two_configurations_cannot_record_the_same_run(file: Path) -> None:
    before = file.read_text()
    with pytest.raises(ConfigError, match=r"config/mine.yaml: the run 'default' in dvc.yaml is that of config/config"):
        write_stage(file, "default", stage_of("default", "config/mine.yaml", ["datasets"]), plots=[])
    assert file.read_text() == before


def test_a_file_without_stages_gets_its_first(tmp_path: Path) -> None:
    stage = stage_of("pets", "config/pets.yaml", FOLDERS["pets"])
    write_stage(tmp_path / "dvc.yaml", "pets", stage, plots=curves("pets"))
    assert yaml.safe_load((tmp_path / "dvc.yaml").read_text()) == {"stages": {"pets": stage}, "plots": curves("pets")}
