"""Which concept gives a planted shortcut away, and does the model fall for it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from conceptrast.base.errors import ConfigError
from conceptrast.contrast.crops import crop_of
from conceptrast.data import KINDS_WITH_TRUTH
from conceptrast.plan.analyses.insertion import Crop
from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import ClassName, Config, Section, key
from conceptrast.plan.settings import card_recipe, recipe_settings, study_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


class Shortcut(Section):
    """A thing that was planted in a class: which direction of the study ranks the pictures that have it first?"""

    concept: str = key("name of the planted thing among what is known of the pictures")
    planted: ClassName = key("class in which it was planted")
    attacked: ClassName = key("class into whose pictures it is pasted")
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = key("where it is pasted", "bottom_right")
    crop: Crop = key("what is pasted")


def shortcut(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    recipes = recipe_settings(plan, study, "components", "weighting")
    recipe = recipes[card_recipe(recipes)]
    contrasted = "contrast" in plan.studies[study]
    return {
        **study_settings(plan, study),
        "study": study,
        "shortcut": plan.studies[study]["shortcut"],
        "components": f"components_{recipe['weighting']}_k{recipe['components']}",
        "hyperplanes": list(plan.config["contrast"]["hyperplanes"]) if contrasted else [],
    }


def shortcut_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {"studies": list(plan.entries("shortcut"))}


def problems(config: Config, _source: Path) -> Iterator[str]:
    """Refuse a dataset whose things are not known, the same class twice, and a crop that is not valid."""
    for name, study in config["studies"].items():
        entry = study.get("shortcut")
        if entry is None:
            continue
        kind = config["datasets"].get(study["dataset"], {}).get("kind")
        if kind not in (None, *KINDS_WITH_TRUTH):
            yield f"'studies.{name}.shortcut': it is not known what pictures of kind {kind} show"
        if entry["planted"] == entry["attacked"]:
            yield f"'studies.{name}.shortcut.attacked': it is the class in which the thing was planted"
        try:
            crop_of(entry["crop"])
        except ConfigError as error:
            yield f"'studies.{name}.shortcut.crop': {error}"


ANALYSIS = Analysis(
    name="shortcut",
    question="Which concept gives a planted shortcut away?",
    entries="studies",
    study_key=("shortcut", (Shortcut | None, key("a planted thing that the study's directions are tested with", None))),
    wildcard="study",
    steps={
        "shortcut": Step(settings=shortcut, dataset=True, model=True),
        "shortcut_tables": Step(settings=shortcut_tables),
    },
    tables=(
        Table(
            name="shortcut",
            step="shortcut_tables",
            words=("{name}",),
            headlines=("accuracy", "named_planted"),
            rows={"kind": "model"},
        ),
    ),
    figures=("figures/{study}/shortcut.png",),
    folders=("studies",),
    problems=problems,
    report={"shortcut": ("Shortcuts", "{study}", {})},
)
