"""Build the tables about a run's classes from the files of its studies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_json, read_table, write_table
from conceptrast.concepts import recovery as concept_recovery
from conceptrast.concepts.tables import (
    beside_published,
    component_prediction_table,
    prediction_by_labels,
    study_summary,
)
from conceptrast.models.training_summary import model_summary, training_curve
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files in the order of ``settings``: studies with their shards, studies_with_truth, trained_models."""

    predictions: list[Path]
    class_names: list[Path]
    attributions: list[Path]
    components: list[Path]
    prediction: list[Path]
    recovery: list[Path]
    purity: list[Path]
    histories: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Each table has the name of its file."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write the tables of all studies and trained models."""
    tables = {
        "component_prediction": _component_prediction,
        "component_prediction_by_labels": _by_labels,
        "studies": _studies,
        "concept_recovery": _concept_recovery,
        "models": _models,
        "training_curves": _training_curves,
    }
    for path in outputs.tables:
        write_table(tables[path.stem](settings, inputs), path)


def _component_prediction(settings: dict[str, Any], inputs: Inputs) -> pd.DataFrame:
    """For each study, how often the model recognises a class in its patches, beside published numbers."""
    parts = []
    for study, path in zip(settings["studies"], inputs.prediction, strict=True):
        part = component_prediction_table(read_table(path))
        part.insert(0, "study", study["name"])
        parts.append(part)
    published = {study["name"]: study["published"] for study in settings["studies"] if "published" in study}
    return beside_published(pd.concat(parts, ignore_index=True), published)


def _by_labels(settings: dict[str, Any], inputs: Inputs) -> pd.DataFrame:
    """The same for the classes of some labels and for the others, for the studies that name such labels."""
    parts = []
    for number, study in enumerate(settings["studies"]):
        if "labels_apart" not in study:
            continue
        names = read_json(inputs.class_names[number])
        part = prediction_by_labels(
            read_table(inputs.prediction[number]),
            read_table(inputs.predictions[number]),
            apart=[names.index(name) for name in study["labels_apart"]],
            label_names=names,
        )
        part.insert(0, "study", study["name"])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _studies(settings: dict[str, Any], inputs: Inputs) -> pd.DataFrame:
    """One row for each study."""
    # Names of the study, then numbers of its files
    shards = settings["shards"]
    rows = []
    for number, study in enumerate(settings["studies"]):
        attributions = inputs.attributions[number * shards : (number + 1) * shards]
        row = {"study": study["name"]}
        row |= {key: study[key] for key in ("model", "dataset", "layer")}
        row |= {"predicted_by": study.get("predicted_by", study["model"])}
        row |= study_summary(
            read_table(inputs.predictions[number]),
            n_labels=len(read_json(inputs.class_names[number])),
            classes=read_table(inputs.prediction[number]),
            components=read_arrays(inputs.components[number]),
            attributions=[read_arrays(path) for path in attributions],
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _concept_recovery(settings: dict[str, Any], inputs: Inputs) -> pd.DataFrame:
    """For each study, which of the known concepts are found."""
    files = zip(settings["studies_with_truth"], inputs.recovery, inputs.purity, strict=True)
    parts = []
    for study, recovery, purity in files:
        part = concept_recovery.recovery_summary(read_table(recovery), read_table(purity))
        part.insert(0, "study", study)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _models(settings: dict[str, Any], inputs: Inputs) -> pd.DataFrame:
    """One row for each trained model."""
    files = zip(settings["trained_models"], inputs.histories, strict=True)
    return pd.DataFrame([{"model": name, **model_summary(read_table(path))} for name, path in files])


def _training_curves(settings: dict[str, Any], inputs: Inputs) -> pd.DataFrame:
    """Every epoch of each trained model."""
    parts = []
    for name, path in zip(settings["trained_models"], inputs.histories, strict=True):
        part = training_curve(read_table(path)).copy()
        part.insert(0, "model", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
