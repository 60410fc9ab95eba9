"""Find what would stop a run after hours before it starts: missing data and weights, unknown classes, empty jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conceptrast.base.errors import few_classes, unknown_name
from conceptrast.models.published import is_file_name
from conceptrast.plan.analyses.counterfactual import judge_of
from conceptrast.plan.configuration import sections_with_entries
from conceptrast.plan.key_types import Config, naming

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


def missing(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """One line for each missing dataset or file that jobs with these wildcards read."""
    named = [dict(wildcards.items()) for wildcards in jobs]
    datasets = {name for wildcards in named for name in plan.datasets_of(**wildcards)}
    models = {plan.model_of(**wildcards) for wildcards in named} - {"", "None"}
    for analysis in plan.active:
        if any(wildcards.get(analysis.wildcard) in plan.names(analysis.name) for wildcards in named):
            models |= set(analysis.models(plan))
    lines = [
        f"dataset '{name}': {lacking}"
        for name in sorted(datasets)
        if (lacking := plan.opened(name).missing()) is not None
    ]
    for name in sorted(models):
        lines += _missing_of_model(name, plan.models[name])
    for key, name, entry, _ in plan.due(named):
        for place, file, _ in naming(sections_with_entries()[key], entry, "file"):
            if not Path(file).is_file():
                lines.append(f"'{key}.{name}.{place}': file {Path(file).resolve()} does not exist")
    return lines


def _missing_of_model(name: str, entry: Config) -> list[str]:
    """One line for each missing file of a model."""
    lines = []
    names = entry.get("class_names")
    if isinstance(names, str) and not Path(names).is_file():
        pulled = ": `dvc pull` brings it" if Path(names + ".dvc").is_file() else ""
        lines.append(f"model '{name}': file of class names {Path(names).resolve()} does not exist{pulled}")
    if entry.get("weights"):
        from conceptrast.models.opening import missing as missing_weights

        weights = str(Path(entry["weights"]).resolve()) if is_file_name(entry["weights"]) else entry["weights"]
        lacking = missing_weights({**entry, "weights": weights})
        if lacking is not None:
            lines.append(f"model '{name}': {lacking}")
    return lines


def unknown_classes(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """One line for each class that its model does not have, and for each unknown label, in the entries of these jobs.

    If the names are only known once the model is open, e.g. for a file of weights, no class is refused.
    """
    lines = []
    for key, name, entry, _ in plan.due(jobs):
        section = sections_with_entries()[key]
        for place, value, names in naming(section, entry, "class", "classes", "pairs", "labels"):
            where = f"'{key}.{name}.{place}'"
            if names.what == "labels":
                lines += _unknown_labels(plan, where, entry, value)
            elif names.what == "pairs":
                lines += _unknown(plan, where, entry, [wanted for pair in value for wanted in pair])
                lines += _same(plan, where, entry, value)
            elif names.what == "classes":
                lines += _unknown(plan, where, entry, value)
            elif value not in names.besides:
                lines += _unknown(plan, where, entry, [value])
    return lines


def judges_of_other_classes(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """One line for each study among these jobs whose counterfactuals are judged by a model of other classes.

    If the names are only known once a model is open, the step that opens both compares them.
    """
    judge = judge_of(plan)
    if judge is None:
        return []
    lines = []
    for key, name, entry, _ in plan.due(jobs):
        if key != "studies" or name not in plan.entries("counterfactual"):
            continue
        learnt = plan.models[judge].get("train", {}).get("dataset", entry["dataset"])
        names = (_class_names(plan, entry), _class_names(plan, {"model": judge, "dataset": learnt}))
        if None not in names and names[0] != names[1]:
            lines.append(
                f"'counterfactual.judge': {judge!r} has other classes than {entry['model']!r}, the model of "
                f"'studies.{name}': a judge needs the same classes in the same order"
            )
    return lines


def too_many_shards(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """One line for each study among these jobs that is split into more jobs than its model has classes.

    If the number of classes is only known once the model is open, the step that chooses images says it. A study that
    names a few ``classes`` is not refused: its jobs may be empty, because all studies of a run have the same number.
    """
    shards = plan.config["class_shards"]
    lines = []
    for key, name, entry, _ in plan.due(jobs):
        classes = _class_names(plan, entry) if key == "studies" else None
        if classes is not None and len(classes) < shards:
            lines.append(few_classes(len(classes), shards, f"the model of 'studies.{name}'"))
    return lines


def _unknown_labels(plan: Plan, where: str, entry: Config, labels: Sequence[str]) -> list[str]:
    """One line for each label that an entry's dataset does not have."""
    valid = plan.opened(entry["dataset"]).class_names if labels else []
    return [f"{where}: {unknown_name('label', label, valid)}" for label in labels if label not in valid]


def _same(plan: Plan, where: str, entry: Config, pairs: Sequence[Sequence[str | int]]) -> list[str]:
    """One line for each pair whose two classes, a name and an index, are the same."""
    valid = _class_names(plan, entry) if pairs else None
    return [
        f"{where}: a pair needs two classes, got {first!r} and {second!r}, which are the same"
        for first, second in pairs
        if valid and {type(first), type(second)} == {str, int} and _named(first, valid) == _named(second, valid)
    ]


def _unknown(plan: Plan, where: str, entry: Config, classes: Iterable[str | int]) -> list[str]:
    """One line for each class that the model of an entry does not have."""
    classes = list(dict.fromkeys(classes))
    valid = _class_names(plan, entry) if classes else None
    if valid is None:
        return []
    known = {str: valid, int: range(len(valid))}
    return [
        f"{where}: {unknown_name('class', wanted, known[type(wanted)])}"
        for wanted in classes
        if wanted not in known[type(wanted)]
    ]


def _class_names(plan: Plan, entry: Config) -> list[str] | None:
    """Names of the outputs of an entry's model; ``None`` if they are not known without opening it."""
    model = plan.models[entry["model"]]
    names = model.get("class_names")
    weights = None if "train" in model else model.get("weights")
    if isinstance(names, list):
        return names
    if names is not None:
        from conceptrast.models.opening import read_class_names

        return read_class_names(Path(names))
    if weights is not None and not is_file_name(weights):
        from conceptrast.data.imagenet_names import imagenet_class_names

        return imagenet_class_names()
    if weights is not None or "factory" in model:
        return None
    return plan.opened(entry["dataset"]).class_names


def _named(wanted: str | int, names: Sequence[str]) -> str | None:
    """Name of a class that is given by name or index; ``None`` for an index that does not exist."""
    if isinstance(wanted, str):
        return wanted
    return names[wanted] if 0 <= wanted < len(names) else None
