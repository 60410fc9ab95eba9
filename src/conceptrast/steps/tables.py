"""Build the tables that explain a run's classes from the files of its studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_json, read_table, write_table
from conceptrast.concepts import recovery as concept_recovery
from conceptrast.steps.runner import run
from conceptrast.tables import beside_published, component_prediction, model_summary, study_summary


def main(
    settings: dict[str, Any],
    predictions: list[Path],
    class_names: list[Path],
    attributions: list[Path],
    components: list[Path],
    prediction: list[Path],
    recovery: list[Path],
    purity: list[Path],
    histories: list[Path],
    tables: list[Path],
) -> None:
    """Files come in the order of ``settings``: studies, studies_with_truth, trained_models; shards of each study."""
    studies, shards = settings["studies"], settings["shards"]
    classes = [read_table(path) for path in prediction]
    tested, summaries = [], []
    for number, study in enumerate(studies):
        found = component_prediction(classes[number])
        found.insert(0, "study", study["name"])
        tested.append(found)
        own = attributions[number * shards : (number + 1) * shards]
        summary = study_summary(
            read_table(predictions[number]),
            len(read_json(class_names[number])),
            classes[number],
            read_arrays(components[number]),
            [read_arrays(path)["completeness_gap"] for path in own],
        )
        head = {"study": study["name"], **{key: study[key] for key in ("model", "dataset", "layer")}}
        summaries.append({**head, "predicted_by": study.get("predicted_by", study["model"]), **summary})
    built = {}
    published = {study["name"]: study["published"] for study in studies if "published" in study}
    if studies:
        built["component_prediction"] = beside_published(pd.concat(tested, ignore_index=True), published)
        built["studies"] = pd.DataFrame(summaries)
    if recovery:
        pairs = zip(recovery, purity, strict=True)
        parts = [concept_recovery.recovery_summary(read_table(found), read_table(pure)) for found, pure in pairs]
        for part, name in zip(parts, settings["studies_with_truth"], strict=True):
            part.insert(0, "study", name)
        built["concept_recovery"] = pd.concat(parts, ignore_index=True)
    if histories:
        rows = zip(settings["trained_models"], histories, strict=True)
        built["models"] = pd.DataFrame([{"model": name, **model_summary(read_table(path))} for name, path in rows])
    for path in tables:
        write_table(built[path.stem], path)


if __name__ == "__main__":
    run(main)
