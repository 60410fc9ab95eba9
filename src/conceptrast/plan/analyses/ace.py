"""Which superpixels of a class's pictures form concepts (ACE), and does the model use these concepts (TCAV)?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import Classes, Config, Number, Section, Unique, key
from conceptrast.plan.settings import run_settings, study_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

Segments = Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1), Unique]
Shapes = Annotated[list[Literal["resized", "in_place"]], Field(min_length=1), Unique]


class Ace(Section):
    """Concepts among superpixels (segments of similar colour), for the studies that name classes under ``ace``."""

    segments: Segments = key("numbers of segments: each picture is cut once for each, into about so many", [15, 50, 80])
    segments_as: Shapes = key(
        "resized: segments are enlarged to the whole input, as published; in_place: they stay where they lie",
        ["resized"],
    )
    images: int = key("highest number of images of a class that are cut", 50, ge=1)
    random_images: int = key("number of images of other classes; their segments stand for no concept", 50, ge=1)
    clusters: int = key("number of clusters of a class's segments", 25, ge=1)
    min_segments: int = key("a cluster with fewer segments is no concept", 20, ge=4)
    max_segments: int = key(
        "highest number of segments that stand for a concept: those nearest to the cluster's centre", 40, ge=4
    )
    draws: int = key("draws of random segments; each draw gives a concept vector of its own", 20, ge=2)
    significance: Number = key(
        "level of the test against random vectors, corrected for the number of concepts", 0.01, gt=0, lt=1
    )


def ace(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    return {
        **study_settings(plan, study),
        **run_settings(plan, "min_images", "ace"),
        "study": study,
        "classes": plan.studies[study]["ace"],
    }


def ace_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {"studies": list(plan.entries("ace")), "studies_with_truth": plan.with_truth("ace")}


def problems(config: Config, _source: Path) -> Iterator[str]:
    """Refuse a smallest number of segments above the largest."""
    least = config["ace"]["min_segments"]
    most = config["ace"]["max_segments"]
    if most < least:
        yield f"'ace.max_segments' got {most}, which is less than 'ace.min_segments' ({least})"


ANALYSIS = Analysis(
    name="ace",
    question="Which concepts are there among superpixels, and does the model use them?",
    sections={"ace": (Ace, key("concepts among superpixels", {}))},
    entries="studies",
    study_key=("ace", (Classes | None, key("classes whose concepts are found among superpixels", None))),
    wildcard="study",
    steps={"ace": Step(settings=ace, dataset=True, model=True), "ace_tables": Step(settings=ace_tables)},
    tables=(
        Table(name="ace", step="ace_tables"),
        Table(
            name="ace_recovery",
            step="ace_tables",
            when=lambda plan: bool(plan.with_truth("ace")),
            words=("{segments_as}", "{baseline}"),
            headlines=("own_share", "n_found", "own_for", "texture_for", "texture_against"),
            rows={"class_name": "all classes"},
            intervals={"own_share": ("low", "high")},
        ),
    ),
    manifests=("figures/{study}/ace.csv",),
    folders=("studies",),
    problems=problems,
)
