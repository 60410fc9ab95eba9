"""Checks of a run's configuration: short errors that name the key and what would be right.

The schema (``workflow/schemas/config.schema.yaml``) says which keys there are, of which type, and their defaults. What
a schema cannot say is checked here: that the model and dataset of a study exist, that a kind and a method are
registered. Nothing in this module imports torch: Snakemake reads the configuration each time it starts.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.bias.comparison import CONDITIONS, check_size
from conceptrast.contrast.crops import crop_of
from conceptrast.models.published import is_file_name, torchvision_classifiers, weights_fingerprint
from conceptrast.plan.provenance import keywords, registry

Config = dict[str, Any]

RESNETS = ("resnet", "resnext", "wide_resnet")
"""How the names start of networks whose pooled features a comparison of latent spaces can look at."""

DATASET_PATHS = ("root", "solution", "synsets", "class_file")


def load_schema(path: Path | str) -> Config:
    """The schema of the configuration."""
    return yaml.safe_load(Path(path).read_text())


def checked(config: Mapping[str, Any], schema: Mapping[str, Any], source: Path | str) -> Config:
    """A copy of ``config`` with defaults filled in, after every check that needs neither data nor torch.

    Args:
        config: what the user wrote.
        schema: JSON schema, as :func:`load_schema` reads it.
        source: folder of the package ``conceptrast``, whose registries are read without importing them.

    Raises:
        ConfigError: the message has one line per wrong key: where it is, what it got, what is right.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema).iter_errors(dict(config)), key=lambda error: list(map(str, error.path))
    )
    if errors:
        raise ConfigError("\n".join(f"config: {line}" for error in errors for line in _explain(error)))
    filled = with_defaults(config, schema)
    for entry in filled["models"].values():
        _drop_descent(entry.get("train", {}))
    problems = list(_cross_checks(filled, Path(source)))
    if problems:
        raise ConfigError("\n".join(f"config: {problem}" for problem in problems))
    return filled


def with_defaults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A copy of ``value`` in which every absent key has the schema's default.

    Example:
        >>> with_defaults({}, {"properties": {"seed": {"type": "integer", "default": 7}}})
        {'seed': 7}
    """
    root = schema if root is None else root
    if "$ref" in schema:
        return with_defaults(value, _referenced(schema["$ref"], root), root)
    if not isinstance(value, Mapping):
        return copy.deepcopy(value)
    known = schema.get("properties", {})
    others = schema.get("additionalProperties")
    absent = {key: part["default"] for key, part in known.items() if key not in value and "default" in part}
    parts = {key: known.get(key, others if isinstance(others, Mapping) else {}) for key in {**value, **absent}}
    return {key: with_defaults(item, parts[key], root) for key, item in {**value, **absent}.items()}


def _drop_descent(train: Config) -> None:
    """Leave out of the settings of a head what only a descent needs and the schema has filled in."""
    if train.get("only") == "head":
        for key in ("epochs", "learning_rate", "momentum", "weight_decay"):
            train.pop(key, None)


def seen_from(config: Config, folder: Path | str) -> Config:
    """A copy of ``config`` whose relative paths hold for a process that works in ``folder``.

    Paths are written relative to the repository and stay relative: another clone's path would make them look changed.

    Example:
        >>> seen_from({"datasets": {"mine": {"root": "data/mine"}}, "models": {}}, "results/mine")["datasets"]
        {'mine': {'root': '../../data/mine'}}
    """
    moved = copy.deepcopy(config)
    for entry in moved["datasets"].values():
        for part in (entry, inner_dataset(entry)):
            for key in DATASET_PATHS:
                if isinstance(part.get(key), str):
                    part[key] = _moved(part[key], folder)
    for entry in moved["models"].values():
        if isinstance(entry.get("weights"), str) and is_file_name(entry["weights"]):
            entry["weights"] = _moved(entry["weights"], folder)
        if isinstance(entry.get("class_names"), str):
            entry["class_names"] = _moved(entry["class_names"], folder)
    for entry in moved.get("insertions", {}).values():
        if "file" in entry["crop"]:
            entry["crop"]["file"] = _moved(entry["crop"]["file"], folder)
    return moved


def inner_dataset(entry: Config) -> Config:
    """The dataset whose pictures another one takes; empty where it takes none."""
    inner = entry.get("pictures")
    return inner if isinstance(inner, dict) else {}


def _moved(path: str, folder: Path | str) -> str:
    expanded = os.path.expanduser(path)
    return expanded if os.path.isabs(expanded) else os.path.join(os.path.relpath(".", folder), expanded)


def _explain(error: Any) -> Iterator[str]:
    """Lines for one error of jsonschema."""
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known, title = error.schema.get("properties", {}), error.schema.get("title", "key")
        for key in sorted(set(error.instance) - set(known), key=str):
            yield unknown_name(title if where else "key", key, known) + (f" (in '{where}')" if where else "")
    elif error.validator == "type":
        expected = error.validator_value
        expected = expected if isinstance(expected, str) else " or ".join(expected)
        got = f"{error.instance!r} ({type(error.instance).__name__})"
        yield f"key '{where}' got {got}; expected {expected}" if where else f"the file got {got}; expected {expected}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield f"key {', '.join(map(repr, missing))} is missing" + (f" in '{where}'" if where else "")
    elif error.validator == "enum":
        yield unknown_name(f"value of '{where}'", error.instance, error.validator_value)
    elif error.validator == "oneOf" and where.startswith("models."):
        yield f"key '{where}' needs either 'architecture' or 'factory'"
    elif error.validator == "oneOf":
        yield f"key '{where}' got {error.instance!r}; expected 'cell' or a number above 0 and at most 1"
    else:
        yield f"key '{where}': {error.message}"


def _referenced(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    part: Any = root
    for key in reference.removeprefix("#/").split("/"):
        part = part[key]
    return part


def _cross_checks(config: Config, source: Path) -> Iterator[str]:
    """What names in one part of the configuration say about another part."""
    datasets, models = config["datasets"], config["models"]
    kinds = registry(source, "data", "DATASET_KINDS")
    for name, entry in datasets.items():
        yield from _dataset_problems(name, entry, kinds, source)
    architectures = [*registry(source, "models", "ARCHITECTURES"), *sorted(torchvision_classifiers())]
    detectors = registry(source, "models", "DETECTORS")
    for name, entry in models.items():
        problems = [*_model_problems(entry, datasets, architectures), *_extract_problems(entry, detectors)]
        yield from (f"'models.{name}': {problem}" for problem in problems)
    method = config["attribution"]["method"]
    methods = registry(source, "attribution", "METHODS")
    if method not in methods:
        yield "'attribution.method': " + unknown_name("method", method, methods)
    for name, study in config["studies"].items():
        for key, valid in (("model", models), ("dataset", datasets), ("predicted_by", models)):
            if key in study and study[key] not in valid:
                yield f"'studies.{name}.{key}': " + unknown_name(key, study[key], valid)
        for key in ("contrast", "counterfactual"):
            yield from _pair_problems(f"'studies.{name}.{key}'", study.get(key, []))
    if not any(config[key] for key in ("studies", "insertions", "saliency", "dff", "latent_bias")):
        yield "key 'studies' is missing: the run has nothing to do"
    offsets = config["contrast"]["offsets"]
    if offsets != sorted(offsets) or offsets[0] != 0:
        yield f"'contrast.offsets' got {offsets}: they start with 0 and rise"
    if config["ace"]["max_segments"] < config["ace"]["min_segments"]:
        least, most = config["ace"]["min_segments"], config["ace"]["max_segments"]
        yield f"'ace.max_segments' got {most}, which is less than 'ace.min_segments' ({least})"
    for name, insertion in config["insertions"].items():
        yield from (f"'insertions.{name}{problem}" for problem in _insertion_problems(insertion, datasets, models))
    for name, view in config["saliency"].items():
        yield from (f"'saliency.{name}{problem}" for problem in _saliency_problems(view, datasets, models, source))
    for name, entry in config["dff"].items():
        yield from (f"'dff.{name}{problem}" for problem in _dff_problems(entry, datasets, models))
    for name, bias in config["latent_bias"].items():
        yield from (f"'latent_bias.{name}.{problem}" for problem in _bias_problems(bias, datasets, architectures))


def _pair_problems(where: str, pairs: list[list[str | int]]) -> Iterator[str]:
    for first, second in pairs:
        if first == second:
            yield f"{where}: a pair needs two classes, got {first!r} twice"


def _unknown_parts(entry: Config, datasets: Config, models: Config) -> Iterator[str]:
    """A model or dataset that an entry names and that does not exist."""
    for key, valid in (("model", models), ("dataset", datasets)):
        if entry[key] not in valid:
            yield f".{key}': " + unknown_name(key, entry[key], valid)


def _saliency_problems(entry: Config, datasets: Config, models: Config, source: Path) -> Iterator[str]:
    yield from _unknown_parts(entry, datasets, models)
    methods = registry(source, "saliency", "METHODS")
    for method in entry["methods"]:
        if method not in methods:
            yield ".methods': " + unknown_name("CAM method", method, methods)
    yield from _pair_problems(".pairs'", entry["pairs"])
    for key in ("labels", "target"):
        if entry["pairs"] and entry.get(key, "predicted") != "predicted":
            yield f"': 'pairs' and '{key}' both say what is looked at: keep one"


def _dff_problems(entry: Config, datasets: Config, models: Config) -> Iterator[str]:
    yield from _unknown_parts(entry, datasets, models)
    if "labels" in entry and "class" in entry:
        yield "': it has 'labels' and 'class': choose pictures by what they show or by what the model says, not by both"


def _insertion_problems(entry: Config, datasets: Config, models: Config) -> Iterator[str]:
    yield from _unknown_parts(entry, datasets, models)
    yield from _pair_problems(".pairs'", entry["pairs"])
    try:
        crop_of(entry["crop"])
    except ConfigError as error:
        yield f".crop': {error}"


def _bias_problems(entry: Config, datasets: Config, architectures: list[str]) -> Iterator[str]:
    for key in CONDITIONS:
        named = datasets.get(entry[key])
        if named is None:
            yield f"{key}': " + unknown_name("dataset", entry[key], datasets)
        elif named["kind"] != "rotated_pair":
            yield f"{key}': dataset '{entry[key]}' is of kind {named['kind']}; it needs rotated_pair"
        elif named.get("biased", True) != (key == "biased"):
            yield f"{key}': dataset '{entry[key]}' needs `biased: {str(key == 'biased').lower()}`"
    try:
        check_size(entry["size"])
    except ConfigError as error:
        yield f"size': {error}"
    architecture, resnets = (
        entry["resnet"]["architecture"],
        [name for name in architectures if name.startswith(RESNETS)],
    )
    if torchvision_classifiers() and architecture not in resnets:
        yield "resnet.architecture': " + unknown_name("ResNet", architecture, resnets)


def _model_problems(entry: Config, datasets: Config, architectures: list[str]) -> Iterator[str]:
    train = entry.get("train", {})
    dataset = train.get("dataset")
    if dataset is not None and dataset not in datasets:
        yield "train: " + unknown_name("dataset", dataset, datasets)
    if dataset is not None and entry.get("weights") and train.get("only") != "head":
        yield "it has 'weights' and 'train': keep the one that is meant, or fit the last layer alone, 'only: head'"
    channels = {key: entry[key] for key in ("mean", "std") if key in entry}
    if {len(values) for values in channels.values()} not in (set(), {1}, {3}):
        given = " and ".join(f"{key} {values}" for key, values in channels.items())
        yield f"got {given}; expected one value each (grey), or three (red, green and blue)"
    if torchvision_classifiers() and "factory" not in entry and entry["architecture"] not in architectures:
        yield unknown_name("architecture", entry["architecture"], architectures)
    elif entry.get("weights") == "package":
        try:
            weights_fingerprint(entry.get("architecture", ""), "package")
        except ConfigError as error:
            yield str(error)


def _extract_problems(entry: Config, detectors: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a detector, of which a part is extracted, or with another model that wants a part."""
    architecture, part = entry.get("architecture", ""), entry.get("extract")
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
    if entry["kind"] not in kinds:
        yield f"'datasets.{name}.kind': " + unknown_name("kind", entry["kind"], kinds)
        return
    known = keywords(source, kinds[entry["kind"]])
    for key in sorted(set(entry) - {"kind"} - known):
        yield unknown_name("key", key, sorted(known - {"seed"})) + f" (in 'datasets.{name}')"
    if inner := inner_dataset(entry):
        yield from _dataset_problems(f"{name}.pictures", {"kind": "", **inner}, kinds, source)
