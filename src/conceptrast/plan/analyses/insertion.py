"""Does an object speak for a class? It is pasted into pictures of another class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.contrast.crops import crop_of
from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import (
    Config,
    DatasetName,
    EntryName,
    FileName,
    ModelName,
    Pairs,
    Section,
    key,
    one_or_several,
)
from conceptrast.plan.settings import picture_settings, run_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

Side = Annotated[int, Field(ge=1)]
Size = Annotated[Any, one_or_several(Side, Annotated[list[Side], Field(min_length=2, max_length=2)])]


class Crop(Section):
    """What is pasted: a part of a photograph that ships with the packages, or of a file."""

    photograph: str | None = key("name of a photograph that ships with the packages, such as astronaut", None)
    file: FileName | None = key("a picture of your own", None)
    box: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=4, max_length=4)] | None = key(
        "top, left, height and width in pixels of that picture; if left out, all of it", None
    )
    size: Size | None = key("height, or [height, width], in pixels of the picture as the model sees it", None)


class InsertedCrop(Crop):
    """What is pasted: a part of a picture, or the nearest patch of each component of a study's contrasts."""

    component: str | None = key(
        "study with a contrast of each pair: the patch of each component that speaks for A and against B is pasted",
        None,
    )


class Insertion(Section):
    """A crop is pasted into pictures that the model names B: does it say A?"""

    model: ModelName = key("model that is asked")
    dataset: DatasetName = key("dataset into whose pictures the crop is pasted")
    pairs: Annotated[Pairs, Field(min_length=1)] = key("pairs [A, B] of classes")
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = key("where it is pasted", "bottom_right")
    crop: InsertedCrop = key("what is pasted")


def insertion(plan: Plan, insertion: str) -> Config:
    """Settings of one insertion test."""
    entry = plan.entries("insertion")[insertion]
    return {
        **picture_settings(plan, entry["model"], entry["dataset"]),
        **run_settings(plan, "images_per_class", "min_images"),
        **{key: entry[key] for key in ("pairs", "corner", "crop")},
        "insertion": insertion,
    }


def insertion_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {
        "insertions": list(plan.entries("insertion")),
        "of_components": of_components(plan),
        **run_settings(plan, "seed"),
    }


def of_components(plan: Plan) -> list[str]:
    """Names of the insertion tests whose crops are patches of components."""
    return [name for name, entry in plan.entries("insertion").items() if "component" in entry["crop"]]


def entry_problems(entry: Config, config: Config, _source: Path) -> Iterator[str]:
    """Refuse a crop that is not valid, and components of a study that has none of the pair."""
    crop = entry["crop"]
    if "component" in crop:
        yield from _component_problems(entry, config)
        return
    try:
        crop_of(crop)
    except ConfigError as error:
        yield f".crop': {error}"


def _component_problems(entry: Config, config: Config) -> Iterator[str]:
    """A line for each reason why a study's components cannot be pasted."""
    crop = entry["crop"]
    if others := [name for name in ("photograph", "file", "box") if name in crop]:
        yield f".crop': it has 'component' and {others[0]!r}: what is pasted is either a patch or a part of a picture"
    study = config["studies"].get(crop["component"])
    if study is None:
        yield f".crop.component': {unknown_name('study', crop['component'], config['studies'])}"
        return
    for name in ("model", "dataset"):
        if study[name] != entry[name]:
            yield f".{name}': study {crop['component']!r} has {name} {study[name]!r}, and this test {entry[name]!r}"
    contrasted = [set(map(str, pair)) for pair in study.get("contrast") or []]
    for pair in entry["pairs"]:
        if set(map(str, pair)) not in contrasted:
            yield f".pairs': study {crop['component']!r} does not contrast {pair}: name the pair in its 'contrast'"


ANALYSIS = Analysis(
    name="insertion",
    question="Does this thing speak for the class?",
    sections={"insertions": (dict[EntryName, Insertion], key("crops pasted into pictures, by name", {}))},
    entries="insertions",
    wildcard="insertion",
    steps={
        "insertion": Step(settings=insertion, dataset=True, model=True),
        "insertion_tables": Step(settings=insertion_tables),
    },
    tables=(
        Table(
            name="insertion",
            step="insertion_tables",
            when=lambda plan: len(of_components(plan)) < len(plan.entries("insertion")),
            words=("{condition}", "{first}", "{second}"),
            headlines=("p_first", "change_first", "change_second"),
            intervals={
                "change_first": ("low_first", "high_first"),
                "change_second": ("low_second", "high_second"),
            },
        ),
        Table(
            name="component_insertion",
            step="insertion_tables",
            when=lambda plan: bool(of_components(plan)),
        ),
    ),
    figures=("figures/insertion/{insertion}.png",),
    folders=("insertion",),
    check="conceptrast.contrast.insertion_before_start:check_entry",
    entry_problems=entry_problems,
    report={
        "insertion": ("Insertion tests", None, {"test": "{insertion}"}),
    },
)
