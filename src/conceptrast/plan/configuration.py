"""Check a run's configuration. Errors are short; they name the key and what would be right.

:mod:`conceptrast.plan.keys` and the descriptors in :mod:`conceptrast.plan.analyses` list the keys, their types and
their defaults. This module checks what a type cannot say: that the model and the dataset of an entry exist, and that a
kind and a method are registered. It does not import torch, because Snakemake reads the configuration each time it
starts.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.models.published import is_file_name, torchvision_classifiers, weights_fingerprint
from conceptrast.plan.analyses import analyses, configuration
from conceptrast.plan.key_types import Config, Section, entries_in, fields_of, filled, naming, problems, section_in
from conceptrast.plan.keys import without_descent
from conceptrast.plan.provenance import keywords, registry


def checked(config: Mapping[str, Any], source: Path | str) -> Config:
    """A copy of ``config`` with defaults filled in, after every check that needs neither data nor torch.

    Args:
        config: the configuration that the user wrote.
        source: folder of the package ``conceptrast``, whose registries are read without importing them.

    Raises:
        ConfigError: a key is wrong. The message has a line for each wrong key: where it is, its value, what is right.
    """
    refuse(problems(configuration(), config))
    whole = filled(configuration(), config)
    trained = {name: entry for name, entry in whole["models"].items() if "train" in entry}
    untold = [name for name, entry in trained.items() if entry["train"] is None]
    refuse([f"'models.{name}.train' is empty: name a dataset, or leave out 'train'" for name in untold])
    for entry in trained.values():
        entry["train"] = without_descent(entry["train"])
    refuse(_problems(whole, Path(source)))
    return whole


def refuse(lines: Iterator[str] | list[str]) -> None:
    """Raise an error with these lines, if there are any.

    Raises:
        ConfigError: there are lines.
    """
    wrong = [f"config: {line}" for line in lines]
    if wrong:
        raise ConfigError("\n".join(wrong))


def sections_with_entries() -> dict[str, type[Section]]:
    """Keys of a configuration that hold named entries, and the section that describes an entry."""
    fields = {name: entries_in(field.annotation) for name, field in fields_of(configuration()).items()}
    return {name: section for name, section in fields.items() if section is not None}


def sections_without_entries() -> dict[str, type[Section]]:
    """Keys of a configuration that hold one section for the whole run."""
    fields = {name: section_in(field.annotation) for name, field in fields_of(configuration()).items()}
    return {name: section for name, section in fields.items() if section is not None}


def seen_from(config: Config, folder: Path | str, source: Path | str) -> Config:
    """A copy of ``config`` whose relative paths are right for a process that works in ``folder``.

    Users write paths relative to the repository. They stay relative, because absolute paths differ between clones and
    would look changed.
    """
    moved = copy.deepcopy(config)
    for entry in moved["datasets"].values():
        for part in filter(None, (entry, inner_dataset(entry))):
            for name in path_options(part["kind"], Path(source)):
                if isinstance(part.get(name), str):
                    part[name] = _moved(part[name], folder)
    for key, section in sections_with_entries().items():
        for entry in moved.get(key, {}).values():
            for name, value, names in list(naming(section, entry, "file", "weights")):
                if isinstance(value, str) and (names.what == "file" or is_file_name(value)):
                    _put(entry, name, _moved(value, folder))
    return moved


def path_options(kind: str, source: Path) -> list[str]:
    """Options of a kind of dataset that are paths. Its class annotates them with ``PathOption``."""
    implementation = registry(source, "data", "DATASET_KINDS").get(kind)
    if implementation is None:
        return []
    return [name for name, annotation in keywords(source, implementation).items() if "PathOption" in annotation]


def inner_dataset(entry: Config) -> Config:
    """The dataset whose pictures this one uses; empty if it uses no other dataset."""
    inner = entry.get("pictures")
    return inner if isinstance(inner, dict) else {}


def _moved(path: str, folder: Path | str) -> str:
    expanded = os.path.expanduser(path)
    return expanded if os.path.isabs(expanded) else os.path.join(os.path.relpath(".", folder), expanded)


def _put(entry: Config, dotted: str, value: str) -> None:
    """Replace a value at a path of keys."""
    *folders, last = dotted.split(".")
    for name in folders:
        entry = entry[name]
    entry[last] = value


def _problems(config: Config, source: Path) -> Iterator[str]:
    """Lines for names in one part of the configuration that do not fit another part."""
    kinds = registry(source, "data", "DATASET_KINDS")
    for name, entry in config["datasets"].items():
        yield from _dataset_problems(name, entry, kinds, source)
    for name, entry in config["models"].items():
        yield from (f"'models.{name}': {problem}" for problem in _model_problems(entry, source))
    for key, section in sections_with_entries().items():
        for name, entry in config[key].items():
            yield from _name_problems(f"{key}.{name}", section, entry, config)
    for key, section in sections_without_entries().items():
        yield from _name_problems(key, section, config.get(key) or {}, config)
    if not config["datasets"] and any(_dataset_names(config)):
        yield "key 'datasets' is missing"
    for analysis in analyses().values():
        yield from analysis.problems(config, source)
        for name, entry in config[analysis.entries].items() if analysis.entries else ():
            for problem in analysis.entry_problems(entry, config, source):
                yield f"'{analysis.entries}.{name}{problem}"
    if not any(config[analysis.entries] for analysis in analyses().values() if analysis.entries):
        yield "key 'studies' is missing: the run has nothing to do"


def _dataset_names(config: Config) -> Iterator[str]:
    """The datasets that entries name."""
    for key, section in sections_with_entries().items():
        for entry in config[key].values():
            yield from (value for _, value, _ in naming(section, entry, "dataset"))


def _name_problems(where: str, section: type[Section], entry: Config, config: Config) -> Iterator[str]:
    """Lines for models and datasets that an entry names but that do not exist, and for pairs of a class with itself."""
    known = {"model": config["models"], "dataset": config["datasets"]}
    for name, value, names in naming(section, entry, "model", "dataset", "pairs"):
        if names.what == "pairs":
            for first, second in value:
                if first == second:
                    yield f"'{where}.{name}': a pair needs two classes, got {first!r} twice"
        elif value not in known[names.what]:
            yield f"'{where}.{name}': " + unknown_name(names.what, value, known[names.what])


def _model_problems(entry: Config, source: Path) -> Iterator[str]:
    """Lines for mistakes in a model that the types of its keys do not show."""
    architectures = [*registry(source, "models", "ARCHITECTURES"), *sorted(torchvision_classifiers())]
    train = entry.get("train", {})
    if train and entry.get("weights") and train.get("only") != "head":
        yield "it has 'weights' and 'train': keep the one that is meant, or fit the last layer alone, 'only: head'"
    channels = {key: entry[key] for key in ("mean", "std") if key in entry}
    if {len(values) for values in channels.values()} not in (set(), {1}, {3}):
        given = " and ".join(f"{key} {values}" for key, values in channels.items())
        yield f"got {given}; expected one value each (grey), or three (red, green and blue)"
    if any(value <= 0 for value in entry.get("std") or ()):
        yield f"'std' got {entry['std']}; expected positive values"
    if torchvision_classifiers() and "factory" not in entry and entry["architecture"] not in architectures:
        yield unknown_name("architecture", entry["architecture"], architectures)
    elif entry.get("weights") == "package":
        try:
            weights_fingerprint(entry.get("architecture", ""), "package")
        except ConfigError as error:
            yield str(error)
    yield from _extract_problems(entry, registry(source, "models", "DETECTORS"))


def _extract_problems(entry: Config, detectors: Mapping[str, str]) -> Iterator[str]:
    """Lines for mistakes in a detector whose part is extracted, or in another model with ``extract``."""
    architecture = entry.get("architecture", "")
    part = entry.get("extract")
    if architecture not in detectors:
        if part is not None:
            yield "extract: " + unknown_name("detector", architecture or entry["factory"], detectors)
        return
    if part != detectors[architecture]:
        got = "" if part is None else f", got {part!r}"
        yield f"a detector explains no classes of its own: it needs 'extract: {detectors[architecture]}'{got}"
    if not is_file_name(entry.get("weights") or ""):
        yield f"{architecture} needs 'weights', a .pth or .safetensors file of the whole detector"
    if entry.get("train", {}).get("only") != "head":
        yield "what is extracted of a detector has no head: fit one, 'train: {dataset: …, only: head}'"


def _dataset_problems(name: str, entry: Config, kinds: Mapping[str, str], source: Path) -> Iterator[str]:
    """Lines for a kind that does not exist, or for options that it does not have."""
    if entry["kind"] not in kinds:
        yield f"'datasets.{name}.kind': " + unknown_name("kind", entry["kind"], kinds)
        return
    known = set(keywords(source, kinds[entry["kind"]]))
    for key in sorted(set(entry) - {"kind"} - known):
        yield unknown_name("key", key, sorted(known - {"seed"})) + f" (in 'datasets.{name}')"
    if inner := inner_dataset(entry):
        yield from _dataset_problems(f"{name}.pictures", {"kind": "", **inner}, kinds, source)
