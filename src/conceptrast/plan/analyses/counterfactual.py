"""What would have to be different? Activations are moved towards another class and decoded into pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from conceptrast.plan.analysis import Analysis, Step, Table
from conceptrast.plan.key_types import Config, LayerName, ModelName, Number, Pairs, Section, key
from conceptrast.plan.keys import Precision
from conceptrast.plan.provenance import registry
from conceptrast.plan.settings import card_recipe, pair_settings, recipe_settings, run_settings, study_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


class Decoder(Section):
    """A network that draws pictures from activations, for the studies that name pairs under ``counterfactual``."""

    images: int = key("highest number of training pictures", 3000, ge=1)
    validation_images: int = key("highest number of pictures on which the decoder is measured", 500, ge=1)
    epochs: int = key("passes over the training pictures", 2, ge=1)
    batch_size: int = key("pictures in a step", 32, ge=1)
    learning_rate: Number = key(
        "highest learning rate: reached after a quarter of the steps, then falling to zero", 0.003, gt=0
    )
    perceptual: Number = key("weight of the error in the model's activations, beside the error in pixels", 0.1, ge=0)
    width: int = key("channels of the first block; each block has half as many as the one before", 128, ge=16)
    precision: Precision = key("precision of the training; it may differ from the run's", "bfloat16")


class Counterfactual(Section):
    """What a picture of A looks like on its way to B, and whether the model then says so."""

    images: int = key("number of images of A for each pair", 10, ge=1)
    judge: ModelName | None = key(
        "another model of the same classes; it says what decoded pictures show, in the end only", None
    )
    reader: ModelName | None = key(
        "a model that says what a concept decoded alone shows; its classes are named as the things", None
    )
    probability: Number = key("a way ends where B has this probability", 0.9, gt=0, lt=1)
    limit: Number = key("longest way along a vector, as a multiple of the length of the activations", 1.5, gt=0)
    cells: int = key("most positions that a transplant replaces", 4, ge=1)
    frames: int = key("pictures in an animation", 13, ge=2)


def decoder(plan: Plan, study: str) -> Config:
    """Settings of the step for one study. Its layer is the one that is decoded."""
    whole = study_settings(plan, study)
    return {**whole, "layer": decoded_layer(plan, study), **run_settings(plan, "decoder")}


def decoded_layer(plan: Plan, study: str) -> str:
    """The layer whose activations are decoded: the study's, unless it names another one."""
    entry = plan.studies[study]
    return str(entry.get("decode", entry["layer"]))


def counterfactual(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    recipes = recipe_settings(plan, study, "components", "weighting", "pooling")
    recipe = recipes[card_recipe(recipes)]
    judge = judge_of(plan)
    return {
        **study_settings(plan, study),
        **run_settings(plan, "min_images", "counterfactual"),
        **pair_settings(plan, study, "counterfactual"),
        "components": f"components_{recipe['weighting']}_k{recipe['components']}",
        "weighting": recipe["weighting"],
        "pooling": recipe["pooling"],
        "inject": plan.studies[study].get("inject", plan.studies[study]["layer"]),
        "decode": decoded_layer(plan, study),
        "judge": plan.models[judge] if judge else None,
        "judge_name": judge or "",
        "study": study,
    }


def concept_pictures(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    whole = counterfactual(plan, study)
    shared = ("components", "weighting", "pooling", "pairs", "hyperplane", "decode", "study")
    reader = reader_of(plan)
    return {
        **study_settings(plan, study),
        **run_settings(plan, "min_images", "images_per_class"),
        **{key: whole[key] for key in shared},
        "reader": plan.models[reader] if reader else None,
    }


def judge_of(plan: Plan) -> str | None:
    """Name of the model that judges decoded pictures, if there is one and there are pictures to judge."""
    return _named(plan, "judge")


def reader_of(plan: Plan) -> str | None:
    """Name of the model that reads decoded concepts, if there is one and there are concepts to read."""
    return _named(plan, "reader")


def _named(plan: Plan, role: str) -> str | None:
    model: str | None = plan.config["counterfactual"].get(role)
    return model if plan.entries("counterfactual") else None


def onlookers(plan: Plan) -> list[str]:
    """The models that look at decoded pictures, beside the explained ones."""
    return [model for model in (judge_of(plan), reader_of(plan)) if model is not None]


def judge_family(plan: Plan, **_: str) -> list[str]:
    """Module of the judge's architecture, if it is ours."""
    return _family(plan, judge_of(plan))


def reader_family(plan: Plan, **_: str) -> list[str]:
    """Module of the reader's architecture, if it is ours."""
    return _family(plan, reader_of(plan))


def _family(plan: Plan, model: str | None) -> list[str]:
    if model is None:
        return []
    architectures = registry(plan.source, "models", "ARCHITECTURES")
    return [architectures.get(plan.models[model].get("architecture", ""), "")]


def counterfactual_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {"studies": list(plan.entries("counterfactual"))}


def problems(config: Config, _source: Path) -> Iterator[str]:
    """Refuse a judge that is the explained model of a study, and layers of counterfactuals that there are not."""
    judge = config["counterfactual"].get("judge")
    for name, entry in config["studies"].items():
        for key_of_layer in ("inject", "decode"):
            if key_of_layer in entry and not entry.get("counterfactual"):
                yield (
                    f"'studies.{name}.{key_of_layer}' is for counterfactuals, and the study has none: "
                    "name pairs of classes under 'counterfactual', too"
                )
        if judge is not None and entry.get("counterfactual") and entry["model"] == judge:
            yield f"'counterfactual.judge': {judge!r} is the explained model of 'studies.{name}': name another model"


ANALYSIS = Analysis(
    name="counterfactual",
    question="What would have to be different?",
    sections={
        "decoder": (Decoder, key("networks that draw pictures from activations", {})),
        "counterfactual": (Counterfactual, key("pictures of A on their way to B", {})),
    },
    entries="studies",
    study_key=(
        "counterfactual",
        (Annotated[Pairs, Field(min_length=1)] | None, key("pairs [A, B]: pictures of A are moved towards B", None)),
    ),
    study_options={
        "inject": (
            LayerName | None,
            key(
                "layer at which counterfactuals change values; it may lie inside a residual block; if left out, the "
                "study's",
                None,
            ),
        ),
        "decode": (
            LayerName | None,
            key("layer whose activations are decoded: the same or a later one; if left out, the study's", None),
        ),
    },
    wildcard="study",
    steps={
        "decoder": Step(settings=decoder, dataset=True, model=True),
        "counterfactual": Step(settings=counterfactual, dataset=True, model=True, implementations=judge_family),
        "concept_pictures": Step(settings=concept_pictures, dataset=True, model=True, implementations=reader_family),
        "counterfactual_tables": Step(settings=counterfactual_tables),
    },
    tables=(
        Table(
            name="decoder",
            step="counterfactual_tables",
            words=("{baseline}",),
            headlines=("psnr_mean", "ssim_mean", "same_class"),
            intervals={"same_class": ("low", "high")},
        ),
        Table(
            name="counterfactual",
            step="counterfactual_tables",
            words=("{edit}", "{direction}", "{stop}"),
            headlines=("reached", "judged", "inside"),
            rows={"to_name": "all"},
            intervals={"judged": ("low", "high")},
        ),
        Table(name="concept_pictures", step="counterfactual_tables"),
        Table(
            name="concept_reading",
            step="counterfactual_tables",
            words=("{kind}",),
            headlines=("right",),
            intervals={"right": ("low", "high")},
        ),
    ),
    manifests=("figures/{study}/counterfactuals.csv", "figures/{study}/concept_pictures.csv"),
    pages=("pages/{study}/counterfactuals.json", "pages/{study}/concept_pictures.json"),
    folders=("studies", "pages"),
    models=onlookers,
    problems=problems,
    check="conceptrast.counterfactual.before_start:check_entry",
    report={
        "decoder": ("Models", None, {"model": "decoder of {study}", "table": "training"}),
    },
)
