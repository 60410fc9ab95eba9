"""What does a layer hold of a picture, without a class? Deep feature factorization."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import (
    Config,
    DatasetName,
    EntryName,
    Labels,
    LayerName,
    ModelName,
    OneClass,
    Section,
    Unique,
    key,
)
from conceptrast.plan.settings import picture_settings, run_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

Components = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), Unique]


class Factorization(Section):
    """What a layer holds of some pictures, as concepts with the classes that they speak for."""

    model: ModelName = key("model whose layer is factorized")
    dataset: DatasetName = key("dataset whose pictures are looked at")
    layer: LayerName = key("layer that is factorized")
    images: int = key("highest number of pictures", 4, ge=1)
    labels: Labels | None = key(
        "labels of the pictures: the first picture of each, then the second; if left out, all labels", None
    )
    class_: OneClass | None = key(
        "only pictures that the model gives this class, by name or index", None, alias="class"
    )
    components: Components = key("numbers of concepts; each has a row of the figure", [2, 5, 10])
    shared: bool = key("true: all pictures share the same concepts; false: each has its own", False)


def dff(plan: Plan, dff: str) -> Config:
    """Settings of one deep feature factorization."""
    entry = plan.entries("dff")[dff]
    return {
        **picture_settings(plan, entry["model"], entry["dataset"]),
        **{key: value for key, value in entry.items() if key not in ("model", "dataset")},
        "dff": dff,
    }


def dff_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {"dffs": list(plan.entries("dff")), **run_settings(plan, "seed")}


def entry_problems(entry: Config, _config: Config, _source: Path) -> Iterator[str]:
    """Refuse two keys that both choose pictures."""
    if "labels" in entry and "class" in entry:
        yield "': it has 'labels' and 'class': choose pictures by what they show or by what the model says, not by both"


ANALYSIS = Analysis(
    name="dff",
    question="What does a layer hold of a picture, without a class?",
    sections={"dff": (dict[EntryName, Factorization], key("deep feature factorizations, by name", {}))},
    entries="dff",
    wildcard="dff",
    steps={"dff": Step(settings=dff, dataset=True, model=True), "dff_tables": Step(settings=dff_tables)},
    tables=(
        Table(name="dff_concepts", step="dff_tables"),
        Table(
            name="dff_summary",
            step="dff_tables",
            words=("k{n_components}",),
            headlines=(
                *("agree", "blur", "blur_chance", "beyond_chance", "reconstruction_error"),
                *("thing_share", "thing_area", "own_class", "other_class"),
            ),
            intervals={"agree": ("low", "high"), "beyond_chance": ("beyond_low", "beyond_high")},
        ),
    ),
    manifests=("figures/dff/{dff}.csv",),
    folders=("dff",),
    predicted=lambda entry: "class" in entry,
    check="conceptrast.dff.before_start:check_entry",
    entry_problems=entry_problems,
)
