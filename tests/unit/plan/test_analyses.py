"""The registry of analyses: mistakes in a descriptor are named, and what is shared is worked out of all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from conceptrast.base.errors import ConfigError
from conceptrast.plan.analyses import DESCRIPTORS, analyses, by_name, configuration
from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import Section, fields_of, key

ROOT = Path(__file__).resolve().parents[3]


class Toy(Section):
    """A section."""

    size: int = key("of the toy", 3)


TOY = Analysis(
    name="toy",
    question="Is it one?",
    sections={"toys": (Toy, key("toys", {}))},
    steps={"toy": Step(settings=lambda plan: {})},
    tables=(Table(name="toys", step="toy"),),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "second: the descriptor has no name"),
        ({}, "two analyses have the name 'toy'"),
        ({"name": "other"}, "two analyses have the key of a configuration 'toys'"),
        ({"name": "other", "sections": {}}, "two analyses have the step 'toy'"),
        ({"name": "other", "sections": {}, "steps": {}}, "two analyses have the table 'toys'"),
    ],
)
def test_a_descriptor_without_a_name_or_with_one_that_is_taken_is_refused(change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        by_name({"first": TOY, "second": dataclasses.replace(TOY, **change)})


def test_every_descriptor_is_registered_and_has_its_file_of_rules() -> None:
    folder = ROOT / "src" / "conceptrast" / "plan" / "analyses"
    assert {path.stem for path in folder.glob("[!_]*.py")} == set(DESCRIPTORS)
    assert list(analyses()) == list(DESCRIPTORS)
    rules = {path.stem for path in (ROOT / "workflow" / "rules").glob("*.smk")}
    assert rules == {*analyses(), "common", "report", "data", "track"}


def test_every_step_has_its_file_and_every_file_its_step() -> None:
    steps = {step.module or name for analysis in analyses().values() for name, step in analysis.steps.items()}
    files = {path.stem for path in (ROOT / "src" / "conceptrast" / "steps").glob("[!_]*.py")}
    assert steps <= files
    assert all((ROOT / "src/conceptrast/steps" / f"{name}.py").read_text().count("def main(") for name in steps)


def test_tables_are_written_by_steps_of_their_analysis_or_of_the_run() -> None:
    for analysis in analyses().values():
        steps = {*analysis.steps, *analyses()["models"].steps}
        assert {table.step for table in analysis.tables} <= steps, analysis.name


def test_every_key_has_a_comment_of_one_line() -> None:
    for name, field in fields_of(configuration()).items():
        assert field.description, name
        assert "\n" not in field.description, name
