"""The parts that every run has: its pictures, its models and their predictions, its tables and its record."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from conceptrast.models.published import file_fingerprint
from conceptrast.plan.analysis import Analysis, Plot, Step, Table
from conceptrast.plan.key_types import Config, naming
from conceptrast.plan.settings import card_recipe, picture_settings, run_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

TEMPLATES = (".html", ".css", ".js")
"""Endings of the files that the atlas's pages are made with, beside its code."""


def index(plan: Plan, dataset: str) -> Config:
    """Settings of the step for one dataset."""
    return {"dataset": plan.datasets[dataset], **run_settings(plan, "seed", "max_rejected")}


def train(plan: Plan, model: str) -> Config:
    """Settings of the training of one model."""
    dataset = plan.datasets[plan.dataset_of(model=model)]
    return {"model": plan.models[model], "dataset": dataset, **run_settings(plan, "seed", "precision")}


def predict(plan: Plan, model: str, dataset: str) -> Config:
    """Settings of the step for one model on one dataset."""
    return picture_settings(plan, model, dataset)


def confusion(plan: Plan) -> Config:
    """Settings of the step for the run."""
    models = [
        {"name": name, "dataset": plan.dataset_of(model=name), "class_names": plan.models[name].get("class_names")}
        for name in plan.trained_models
    ]
    return {"models": models}


def tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    keys = ("model", "dataset", "layer", "predicted_by", "published", "labels_apart")
    return {
        "studies": [
            {"name": name, **{key: entry[key] for key in keys if key in entry}} for name, entry in plan.studies.items()
        ],
        "studies_with_truth": plan.with_truth("concepts"),
        "trained_models": plan.trained_models,
        "shards": plan.config["class_shards"],
    }


def metrics(plan: Plan) -> Config:
    """Settings of the step for the run: the places of the headline numbers in its tables."""
    from conceptrast.plan.analyses import headlines

    return {"headlines": headlines(name for names in plan.tables.values() for name in names)}


def description(plan: Plan) -> Config:
    """What the run was asked and what it was made from, without the number of processes that decode, which changes no
    result; and the claims about it.
    """
    from conceptrast.plan.analyses.seeds import CLAIMS

    repository = os.path.relpath(".", plan.folder)
    return {
        "run": plan.resolved["run"],
        "config": {key: value for key, value in plan.resolved.items() if key != "workers"},
        "questions": {analysis.name: analysis.question for analysis in plan.active},
        "entries": {analysis.name: plan.names(analysis.name) for analysis in plan.active},
        "tables": {analysis.name: [table.name for table in plan.tables_of(analysis)] for analysis in plan.active},
        "card_recipe": card_recipe(plan.config["recipes"]),
        "code": plan.run_code(),
        "data": plan.data_fingerprints,
        "weights": plan.model_fingerprints,
        "repository": repository,
        "claims": os.path.join(repository, CLAIMS),
        "claims_digest": file_fingerprint(plan.source.parents[1] / CLAIMS),
    }


def atlas(plan: Plan) -> Config:
    """Settings of the step for the run, with a hash of the templates."""
    templates = [path for path in sorted((plan.source / "atlas").rglob("*.*")) if path.suffix in TEMPLATES]
    return {**description(plan), "templates": " ".join(file_fingerprint(path) or "" for path in templates)}


def check_layers(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> Config:
    """All entries of these jobs that have a layer or a check of their own.

    If these jobs train or ask a model, its layers in other entries are checked, too.
    """
    named = [dict(wildcards.items()) for wildcards in jobs]
    due = [*plan.due(named), *(entry for entry in plan.due(named, with_training=True) if "layer" in entry[2])]
    checks: dict[str, Config] = {}
    for section, name, entry, functions in due:
        for place, named_part in _parts_with_model(section, entry):
            if "layer" in named_part or functions:
                where = ".".join([section, name, *place])
                checks[where] = {"where": where, "functions": functions, "entry": named_part}
    models = sorted({check["entry"]["model"] for check in checks.values()})
    return {"models": {name: plan.models[name] for name in models}, "checks": list(checks.values())}


def _parts_with_model(section: str, entry: Config) -> Iterator[tuple[list[str], Config]]:
    """Places where an entry names a model, alone or with a layer: the entry itself, or a part such as an encoder.

    A part comes with the keys of its entry, which its own keys replace.
    """
    from conceptrast.plan.configuration import sections_with_entries

    for dotted, _, _ in naming(sections_with_entries()[section], entry, "model"):
        *place, key = dotted.split(".")
        if key == "model":
            part = entry
            for name in place:
                part = part[name]
            yield place, {**entry, **part}


def _trained(plan: Plan) -> bool:
    return bool(plan.trained_models)


ANALYSIS = Analysis(
    name="models",
    question="What do the models say, and how often are they right?",
    wildcard="model",
    names=lambda plan: plan.trained_models,
    steps={
        "index": Step(settings=index, dataset=True),
        "train": Step(settings=train, dataset=True, model=True),
        "predict": Step(settings=predict, dataset=True, model=True),
        "confusion": Step(settings=confusion),
        "tables": Step(settings=tables),
        "metrics": Step(settings=metrics),
        "track": Step(settings=description),
        "atlas": Step(settings=atlas),
        "check_layers": Step(settings=check_layers),
    },
    tables=(
        Table(name="models", step="tables", when=_trained, headlines=None),
        Table(
            name="training_curves",
            step="tables",
            when=_trained,
            plot=Plot(title="Training", x=("epoch", "epoch"), y=("train_loss", "loss")),
        ),
        Table(
            name="confusion",
            step="confusion",
            when=_trained,
            measure="conceptrast.models.confusion:accuracies",
        ),
    ),
    figures=("figures/confusion/{model}.png",),
    folders=("datasets", "models", "predictions"),
    report={
        "training": ("Models", None, {"model": "{model}", "table": "training"}),
        "confusion": ("Models", None, {"model": "{model}", "table": "confusion"}),
    },
)
