"""Why A, and not B? This analysis fits hyperplanes between the activations of two classes, and tests them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from conceptrast.plan.analysis import Analysis, Plot, Step, Table
from conceptrast.plan.key_types import Config, EntryName, Number, Pairs, Section, Unique, key
from conceptrast.plan.settings import (
    card_recipe,
    pair_settings,
    recipe_settings,
    run_settings,
    section_settings,
    study_settings,
)

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

Share = Annotated[Number, Field(ge=0, lt=1)]
OFFSETS = [0, 0.5, 1, 2, 10, 15, 20, 35, 50, 200]
SOLVERS = {"zero": {"init": "zero"}, "random": {"init": "random"}, "logistic": {"solver": "logistic"}}


class Solver(Section):
    """One way to fit hyperplanes."""

    solver: Literal["gradient_descent", "logistic"] = key(
        "gradient_descent: as published; logistic: scikit-learn's logistic regression, converged", "gradient_descent"
    )
    init: Literal["zero", "random"] = key("weights from which gradient descent starts", "zero")
    steps: int = key("steps of gradient descent", 100, ge=1)
    learning_rate: Number = key("learning rate of gradient descent", 0.01, gt=0)


class Contrast(Section):
    """Hyperplanes between the activations of two classes, for the studies that name pairs."""

    attribution: Literal["raw", "rectified"] = key(
        "attribution that chooses the positions of a class: as it is, or with its negative values set to zero", "raw"
    )
    threshold: Share = key(
        "a position gives a feature if its attribution is above this share of the image's largest", 0.25
    )
    heldout: Share = key(
        "share of a class's images that no hyperplane is fitted with; accuracy is measured on them", 0.25
    )
    hyperplanes: Annotated[dict[EntryName, Solver], Field(min_length=1)] = key(
        "ways to fit hyperplanes, all compared; the mask test, components and figures use the first", SOLVERS
    )
    offsets: Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=2), Unique] = key(
        "how far activations are shifted, in multiples of the normal; they start with 0 and rise", OFFSETS
    )
    shift_at: Literal["everywhere", "attributed"] = key(
        "positions that the shift test shifts: everywhere, or attributed, those alone that give features; the curves "
        "on contrast cards are of shifts everywhere",
        "everywhere",
    )
    fill: Number | None = key(
        "value of hidden places in the mask test, in normalised units; null: the baseline of the attribution", None
    )
    pairs_per_draw: int = key("number of pairs of classes in a draw of the shift test", 20, ge=1)
    runs: int = key("number of draws of the shift test", 5, ge=1)
    images_per_pair: int = key("highest number of images of A that are shifted or masked", 60, ge=1)
    mask_pairs: int = key("number of pairs in the mask test: the named ones first, then drawn ones", 5, ge=1)


def features(plan: Plan, study: str, shard: str) -> Config:  # noqa: ARG001 - the shard is in the attribution file
    """Settings of the step for one shard of a study's classes."""
    return {**study_settings(plan, study), "contrast": section_settings(plan, "contrast", "attribution", "threshold")}


def hyperplanes(plan: Plan, study: str, shard: str) -> Config:  # noqa: ARG001 - all studies have the same solvers
    """Settings of the step for one shard of a study's pairs of classes."""
    return {
        **run_settings(plan, "seed", "precision"),
        **section_settings(plan, "contrast", "heldout"),
        "hyperplanes": solvers(plan),
        "shard": int(shard),
        "shards": plan.config["class_shards"],
    }


def shift(plan: Plan, study: str, shard: str) -> Config:  # noqa: ARG001 - the shard is in the attribution file
    """Settings of the step for one shard of a study's classes."""
    return {
        **study_settings(plan, study),
        **section_settings(plan, "contrast", "offsets", "shift_at", "pairs_per_draw", "runs", "images_per_pair"),
        "hyperplanes": list(plan.config["contrast"]["hyperplanes"]),
        "contrast": section_settings(plan, "contrast", "attribution", "threshold"),
    }


def fill(plan: Plan) -> float:
    """The value of hidden places."""
    given: float | None = plan.config["contrast"].get("fill")
    baseline: float = plan.config["attribution"]["baseline"]
    return baseline if given is None else given


def mask(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    return {
        **study_settings(plan, study),
        **section_settings(plan, "contrast", "pairs_per_draw", "mask_pairs", "images_per_pair"),
        **pair_settings(plan, study),
        "fill": fill(plan),
    }


def contrastive_components(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    recipes = recipe_settings(plan, study, "components", "pooling", "window", "distinct")
    name = card_recipe(recipes)
    return {
        **study_settings(plan, study),
        **pair_settings(plan, study),
        **section_settings(plan, "factorization", "solver"),
        "rectify": plan.studies[study]["rectify"],
        "recipe": {name: recipes[name]},
    }


def contrast_recovery(plan: Plan, study: str) -> Config:
    """Settings of the step for one study whose concepts are known."""
    return {**study_settings(plan, study), **pair_settings(plan, study)}


def contrast_figures(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    return {
        **study_settings(plan, study),
        **pair_settings(plan, study),
        **section_settings(plan, "contrast", "offsets"),
        "study": study,
        "fill": fill(plan),
    }


def contrast_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {
        "studies": list(plan.entries("contrast")),
        "studies_with_truth": plan.with_truth("contrast"),
        "shards": plan.config["class_shards"],
        "hyperplanes": solvers(plan),
    }


def solvers(plan: Plan) -> list[Config]:
    """All ways to fit hyperplanes, in the order of the configuration."""
    return [{"name": name, **entry} for name, entry in plan.config["contrast"]["hyperplanes"].items()]


def problems(config: Config, _source: Path) -> Iterator[str]:
    """Refuse offsets that do not start with 0 and rise."""
    offsets = config["contrast"]["offsets"]
    if offsets != sorted(offsets) or offsets[0] != 0:
        yield f"'contrast.offsets' got {offsets}: they start with 0 and rise"


ANALYSIS = Analysis(
    name="contrast",
    question="Why A, and not B?",
    sections={"contrast": (Contrast, key("hyperplanes between two classes, and their tests", {}))},
    entries="studies",
    study_key=(
        "contrast",
        (Annotated[Pairs, Field(min_length=1)] | None, key("pairs [A, B]: why A, and not B?", None)),
    ),
    wildcard="study",
    steps={
        "features": Step(settings=features, dataset=True, model=True),
        "hyperplanes": Step(settings=hyperplanes),
        "shift": Step(settings=shift, dataset=True, model=True),
        "mask": Step(settings=mask, dataset=True, model=True),
        "contrastive_components": Step(settings=contrastive_components, dataset=True, model=True),
        "contrast_recovery": Step(settings=contrast_recovery, dataset=True, model=True),
        "contrast_figures": Step(settings=contrast_figures, dataset=True, model=True),
        "contrast_tables": Step(settings=contrast_tables),
    },
    tables=(
        Table(name="contrast_classes", step="contrast_tables"),
        Table(name="contrast_pairs", step="contrast_tables"),
        Table(
            name="hyperplanes",
            step="contrast_tables",
            words=("{hyperplane}",),
            headlines=("train_accuracy_mean", "heldout_accuracy_mean", "normal_length_mean"),
        ),
        Table(
            name="shift",
            step="contrast_tables",
            words=("{hyperplane}", "{baseline}"),
            headlines=("before_mean", "after_mean", "factor_of_means_mean", "swap_rate_mean"),
        ),
        Table(
            name="shift_curves",
            step="contrast_tables",
            plot=Plot(
                title="Shift: what A's pictures are called while their activations are moved towards B",
                x=("offset", "offset, in multiples of the normal"),
                y=("p_to_mean", "p(B)"),
            ),
        ),
        Table(
            name="mask",
            step="contrast_tables",
            words=("mask_{baseline}",),
            headlines=("p_from_mean", "p_to_mean"),
            rows={"share": 0.1},
            plot=Plot(
                title="Mask: what is left of A while its places are hidden, the most telling first",
                x=("share", "share of the places"),
                y=("p_from_mean", "p(A)"),
            ),
        ),
        Table(
            name="contrast_recovery",
            step="contrast_tables",
            when=lambda plan: bool(plan.with_truth("contrast")),
            words=("{baseline}",),
            headlines=("mass_share", "component_share"),
            intervals={
                "mass_share": ("mass_low", "mass_high"),
                "component_share": ("component_low", "component_high"),
            },
        ),
    ),
    figures=("figures/{study}/shift.png", "figures/{study}/mask.png"),
    manifests=("figures/{study}/contrasts.csv",),
    pages=("pages/{study}/contrasts.json",),
    folders=("studies", "pages"),
    problems=problems,
    report={
        "shift": ("Contrasts", "{study}", {"A not B": "shift test, all pairs"}),
        "mask": ("Contrasts", "{study}", {"A not B": "mask test"}),
    },
)
