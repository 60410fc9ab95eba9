"""Where does the model look? This analysis makes class activation maps, and tests whether they are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from conceptrast.base.errors import unknown_name
from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import (
    ClassName,
    Config,
    DatasetName,
    EntryName,
    Labels,
    LayerName,
    ModelName,
    Names,
    Number,
    Pairs,
    Section,
    Unique,
    key,
)
from conceptrast.plan.provenance import registry
from conceptrast.plan.settings import run_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

Target = Annotated[ClassName, Names("class", besides=("predicted",))]
Percentiles = Annotated[list[Annotated[Number, Field(gt=0, lt=100)]], Field(min_length=1), Unique]


class View(Section):
    """Class activation maps of some pictures, and tests of the maps."""

    title: ClassVar[str] = "key of a saliency view"
    model: ModelName = key("model that looks at the pictures")
    dataset: DatasetName = key("dataset whose pictures it looks at")
    layer: LayerName = key("layer whose activations the maps weigh")
    images: int = key("highest number of pictures; with pairs, of each pair", 4, ge=1)
    labels: Labels | None = key("only pictures of these labels, in this order", None)
    methods: Annotated[list[str], Field(min_length=1), Unique] = key(
        "methods, by their names in src/conceptrast/saliency/", ["grad_cam"]
    )
    target: Target = key(
        "class that the maps are for: predicted (what the model says), or a name or index", "predicted"
    )
    pairs: Pairs = key("pairs [A, B]: each picture that the model names A has two maps: why A, why A and not B", [])
    tested: int = key("number of pictures whose maps are tested; with pairs, of each pair", 4, ge=1)
    percentiles: Percentiles = key("percentages of the pixels that ROAD removes", [20, 50, 80])


def saliency(plan: Plan, view: str) -> Config:
    """Settings of the step for one view."""
    entry = plan.entries("saliency")[view]
    return {
        "model": plan.models[entry["model"]],
        "dataset": plan.datasets[entry["dataset"]],
        **run_settings(plan, "seed", "batch_size"),
        "layer": entry["layer"],
        "name": view,
        "model_name": entry["model"],
        "view": {key: entry.get(key) for key in ("images", "labels", "methods", "target", "pairs")},
    }


def saliency_tests(plan: Plan, view: str) -> Config:
    """Settings of the step for one view."""
    entry = plan.entries("saliency")[view]
    return {**saliency(plan, view), **{key: entry[key] for key in ("tested", "percentiles")}}


def saliency_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {
        "views": list(plan.entries("saliency")),
        "views_with_truth": plan.with_truth("saliency"),
        **run_settings(plan, "seed"),
    }


def methods(plan: Plan, view: str, **_: str) -> list[str]:
    """Implementations of a view's methods, without those of the grad-cam package."""
    known = registry(plan.source, "saliency", "METHODS")
    return [known[method] for method in plan.entries("saliency")[view]["methods"]]


def entry_problems(entry: Config, _config: Config, source: Path) -> Iterator[str]:
    """Refuse methods that do not exist, and two keys that say the same."""
    known = registry(source, "saliency", "METHODS")
    for method in entry["methods"]:
        if method not in known:
            yield ".methods': " + unknown_name("CAM method", method, known)
    for name in ("labels", "target"):
        if entry["pairs"] and entry.get(name, "predicted") != "predicted":
            yield f"': 'pairs' and '{name}' both say what is looked at: keep one"


ANALYSIS = Analysis(
    name="saliency",
    question="Where does the model look?",
    sections={
        "saliency": (dict[EntryName, View], key("views, which are class activation maps of some pictures, by name", {}))
    },
    entries="saliency",
    wildcard="view",
    steps={
        "saliency": Step(settings=saliency, dataset=True, model=True, implementations=methods),
        "saliency_tests": Step(settings=saliency_tests, dataset=True, model=True, implementations=methods),
        "saliency_tables": Step(settings=saliency_tables),
    },
    tables=(
        Table(
            name="saliency_faithfulness",
            step="saliency_tables",
            words=("{target_kind}", "{method}", "{baseline}"),
            headlines=("road", "insertion", "deletion"),
        ),
        Table(name="saliency_randomisation", step="saliency_tables"),
        Table(
            name="saliency_truth",
            step="saliency_tables",
            when=lambda plan: bool(plan.with_truth("saliency")),
            words=("{target_kind}", "{method}", "{baseline}"),
            headlines=("more", "hit"),
        ),
    ),
    figures=("figures/saliency/{view}/maps.png", "figures/saliency/{view}/tests.png"),
    folders=("saliency",),
    known=lambda entry: bool(entry["pairs"]),
    check="conceptrast.saliency.before_start:check_entry",
    entry_problems=entry_problems,
    report={
        "saliency": ("Saliency", None, {"view": "{view}", "figure": "maps"}),
        "saliency_tests": ("Saliency", None, {"view": "{view}", "figure": "tests"}),
    },
)
