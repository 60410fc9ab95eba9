"""What would stop a run after hours, said before it starts: missing data and weights, classes that do not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conceptrast.base.errors import unknown_name
from conceptrast.models.published import is_file_name
from conceptrast.plan.configuration import Config

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


def missing(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """One line per dataset or weights file that jobs with these wildcards read and that is not there."""
    datasets, models, crops = set(), set(), set()
    for wildcards in jobs:
        named = dict(wildcards.items())
        datasets |= set(plan.datasets_of(**named))
        models |= {plan.model_of(**named)} if {"model", *plan.parts} & set(named) else set()
        crops |= {named["insertion"]} if "insertion" in named else set()
    lines = [f"dataset '{name}': {plan.opened(name).missing()}" for name in sorted(datasets)]
    for name in sorted(models):
        entry = plan.models[name]
        names = entry.get("class_names")
        if isinstance(names, str) and not Path(names).is_file():
            pulled = ": `dvc pull` brings it" if Path(names + ".dvc").is_file() else ""
            lines.append(f"model '{name}': file of class names {Path(names).resolve()} does not exist{pulled}")
        if entry.get("weights"):
            from conceptrast.models.opening import missing as missing_weights

            weights = str(Path(entry["weights"]).resolve()) if is_file_name(entry["weights"]) else entry["weights"]
            lines.append(f"model '{name}': {missing_weights({**entry, 'weights': weights})}")
    for name in sorted(crops):
        file = plan.insertions[name]["crop"].get("file")
        if file is not None and not Path(file).is_file():
            lines.append(f"insertion '{name}': file {Path(file).resolve()} does not exist")
    return [line for line in lines if not line.endswith(": None")]


def unknown_classes(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """One line per class that its model does not have, for whatever these jobs belong to, and per unknown label.

    Where the names are not known before the model is opened, as of a file of weights alone, none is doubted.
    """
    named = [dict(wildcards.items()) for wildcards in jobs]
    due = {key: {wildcards.get(key) for wildcards in named} for key in plan.parts}
    lines = []
    for name in (name for name in plan.studies if name in due["study"]):
        study = plan.studies[name]
        for key in ("classes", "ace"):
            lines += _unknown(plan, f"'studies.{name}.{key}'", study, study.get(key, []))
        for key in ("contrast", "counterfactual"):
            pairs, where = study.get(key, []), f"'studies.{name}.{key}'"
            lines += _unknown(plan, where, study, [wanted for pair in pairs for wanted in pair])
            lines += _same(plan, where, study, pairs)
    for name in (name for name in plan.insertions if name in due["insertion"]):
        lines += _unknown_pairs(plan, f"'insertions.{name}.pairs'", plan.insertions[name])
    for name in (name for name in plan.views if name in due["view"]):
        view = plan.views[name]
        lines += _unknown_pairs(plan, f"'saliency.{name}.pairs'", view)
        lines += _unknown(
            plan, f"'saliency.{name}.target'", view, [view["target"]] if view["target"] != "predicted" else []
        )
        lines += _unknown_labels(plan, f"'saliency.{name}.labels'", view)
    for name in (name for name in plan.dffs if name in due["dff"]):
        entry = plan.dffs[name]
        lines += _unknown(plan, f"'dff.{name}.class'", entry, [entry["class"]] if "class" in entry else [])
        lines += _unknown_labels(plan, f"'dff.{name}.labels'", entry)
    return lines


def _unknown_pairs(plan: Plan, where: str, entry: Config) -> list[str]:
    """One line per class of an entry's pairs that its model does not have, and per pair of one class."""
    classes = [each for pair in entry["pairs"] for each in pair]
    return _unknown(plan, where, entry, classes) + _same(plan, where, entry, entry["pairs"])


def _unknown_labels(plan: Plan, where: str, entry: Config) -> list[str]:
    """One line per label that an entry's dataset does not have."""
    wanted = entry.get("labels", [])
    valid = plan.opened(entry["dataset"]).class_names if wanted else []
    return [f"{where}: {unknown_name('label', label, valid)}" for label in wanted if label not in valid]


def _same(plan: Plan, where: str, entry: Config, pairs: Sequence[Sequence[str | int]]) -> list[str]:
    """One line per pair whose name and index are the same class."""
    valid = _class_names(plan, entry) if pairs else None
    return [
        f"{where}: a pair needs two classes, got {first!r} and {second!r}, which are the same"
        for first, second in pairs
        if valid and {type(first), type(second)} == {str, int} and _named(first, valid) == _named(second, valid)
    ]


def _unknown(plan: Plan, where: str, entry: Config, classes: Iterable[str | int]) -> list[str]:
    """One line per class that the model of a study, insertion test or factorization does not have."""
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


def _class_names(plan: Plan, user: Config) -> list[str] | None:
    """Names of the outputs of the model of an entry, as far as known without opening it."""
    entry = plan.models[user["model"]]
    names, weights = entry.get("class_names"), None if "train" in entry else entry.get("weights")
    if isinstance(names, list):
        return names
    if names is not None:
        from conceptrast.models.opening import read_class_names

        return read_class_names(Path(names))
    if weights is not None and not is_file_name(weights):
        from conceptrast.data.imagenet_names import imagenet_class_names

        return imagenet_class_names()
    if weights is not None or "factory" in entry:
        return None
    return plan.opened(user["dataset"]).class_names


def _named(wanted: str | int, names: Sequence[str]) -> str | None:
    """Name of a class that is given by name or index; nothing for an index that does not exist."""
    if isinstance(wanted, str):
        return wanted
    return names[wanted] if 0 <= wanted < len(names) else None
