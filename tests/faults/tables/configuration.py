"""Causes 3, 6 and 11 in a configuration: every number, every name, every file that a key names."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..case import Action, Case, Preparation, nothing
from .preparations import written

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "src" / "conceptrast"
TINY = yaml.safe_load((REPOSITORY / "config" / "tiny.yaml").read_text())
FILE = "mine.yaml"
NO_NUMBERS = {"nan": float("nan"), "inf": float("inf"), "-inf": -float("inf"), "text": "often", "list": [1]}


def planned(changes: Mapping[str, Any]) -> Action:
    """Read a configuration as the Snakefile does: the tiny one with other values at some keys, from a file."""

    def act() -> None:
        import sys

        from conceptrast.base.errors import ConceptrastError
        from conceptrast.plan.config_lines import located
        from conceptrast.plan.plan import Plan

        config = copy.deepcopy(TINY)
        for place, value in changes.items():
            *sections, key = place.split("/")
            section = config
            for name in sections:
                section = section.setdefault(name, {}) if isinstance(section, dict) else section[int(name)]
            section[key] = value
        Path(FILE).write_text(yaml.safe_dump(config, sort_keys=False))
        try:
            Plan.read(yaml.safe_load(Path(FILE).read_text()), SOURCE)
        except ConceptrastError as error:
            sys.exit(located(str(error), {FILE: Path(FILE)}))

    return act


def refused(
    name: str,
    changes: Mapping[str, Any],
    *says: str,
    cause: int = 0,
    prepare: Preparation = nothing,
    lines: int = 2,
    quick: bool = True,
) -> Case:
    """A configuration that is refused in a line or two which name the key, the file and the line."""
    return Case(
        name=f"configuration: {name}",
        action=planned(changes),
        prepare=prepare,
        says=[*says, f"({FILE}, line "],
        lines=lines,
        cause=cause,
        seconds=10,
        quick=quick and cause != 0,
    )


def numbers(value: Any, place: str = "") -> Iterator[str]:
    """Places of all numbers of a configuration."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{place}/{name}" if place else str(name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place


def every_number() -> Iterator[Case]:
    """All keys of the tiny configuration that hold a number, each with what is none."""
    for place in numbers(TINY):
        for title, value in NO_NUMBERS.items():
            yield refused(
                f"{place}: {title}",
                {place: value},
                place.split("/")[-1],
                cause=3,
                lines=4,
                quick=title == "nan" and "/" not in place,
            )


NAMES = {
    "a newline at its end": "a\n",
    "a blank": "a b",
    "dots": "..",
    "a slash at its start": "/a",
    "nothing": "",
    "a dash at its start": "-a",
    "a null byte": "a\0",
    "another alphabet": "ä",
    "a quote": "a'b",
    "a brace": "{a}",
}

NO_YAML = {
    "a bracket that is not closed": ("run: a\nmodels: {net: {architecture: lenet}\nseed: 1\n", "line 3"),
    "a tab": ("run: a\nmodels:\n\tnet: 1\n", "line 3"),
    "a key twice indented": ("run: a\n  seed: 1\n", "line 2"),
    "a quote that is not closed": ("run: 'a\nseed: 1\n", "line 3"),
    "bytes that are no UTF-8": (b"run: a\nseed: \xff\n", "line 2"),
    "an unknown anchor": ("run: a\nseed: *one\n", "line 2"),
}


def syntax_checked() -> None:
    """Look for mistakes in the file as ``make reproduce`` does."""
    from conceptrast.plan.config_lines import main

    main([FILE])


STUDY = {"model": "pairs_resnet", "dataset": "digit_pairs", "layer": "layer4"}

CASES = [
    Case(name="configuration: the tiny one", action=planned({}), exit=0),
    *(
        Case(
            name=f"configuration: {title}",
            action=syntax_checked,
            prepare=written(FILE, content),
            says=[f"{FILE}, {line}: "],
            lines=1,
            cause=11,
        )
        for title, (content, line) in NO_YAML.items()
    ),
    *every_number(),
    *(
        refused(f"a run whose name has {title}", {"run": name}, "'run'", cause=11, quick=title.startswith("a newline"))
        for title, name in NAMES.items()
    ),
    *(
        refused(
            f"a dataset whose name has {title}",
            {"datasets": {name: {"kind": "digits"}}},
            "datasets",
            cause=11,
            lines=12,
            quick=title.startswith("a newline"),
        )
        for title, name in NAMES.items()
    ),
    *(
        refused(
            f"a study whose name has {title}",
            {"studies": {name: STUDY}},
            "studies",
            cause=11,
            lines=4,
            quick=title.startswith("a newline"),
        )
        for title, name in NAMES.items()
    ),
    refused("max_rejected of 2", {"max_rejected": 2}, "max_rejected", "at most 1", cause=3),
    refused("max_rejected below 0", {"max_rejected": -0.1}, "max_rejected", "at least 0", cause=3),
    refused("max_rejected NaN", {"max_rejected": float("nan")}, "max_rejected", cause=3),
    refused("offsets with NaN", {"contrast/offsets": [0, float("nan")]}, "offsets", cause=3, lines=4),
    refused("a mean of infinity", {"models/lenet/mean": [float("inf")]}, "mean", cause=3, lines=4),
    refused("a std of 0", {"models/lenet/std": [0.0]}, "std", cause=3, lines=4),
    refused("an unknown key", {"imags_per_class": 3}, "nearest: images_per_class"),
    refused("an unknown kind of dataset", {"datasets/digits/kind": "digit"}, "digit"),
    refused("an unknown option of a dataset", {"datasets/digits/tran": 3}, "nearest: train"),
    refused("an unknown model of a study", {"studies/pairs-layer3/model": "pairs_resnett"}, "pairs_resnet"),
    refused(
        "an unknown dataset of a study", {"studies/pairs-layer3/dataset": "pairs"}, "'studies.pairs-layer3.dataset'"
    ),
    refused("an empty layer", {"studies/pairs-layer3/layer": ""}, "layer"),
    refused("a section that is a list", {"models": []}, "models", lines=10),
    refused("a section that is nothing", {"studies": None}, "studies", lines=4),
    refused("a model that is a text", {"models/lenet": "lenet"}, "lenet", lines=4),
    refused("a training that is empty", {"models/lenet/train": None}, "models.lenet.train", "is empty"),
    refused("a model of no architecture", {"models/lenet": {}}, "architecture"),
    refused("a factory that is no name", {"models/own": {"factory": "networks.colours"}}, "factory"),
    refused("a factory with a newline", {"models/own": {"factory": "a:b\n"}}, "factory", cause=11),
    refused("no class names", {"models/lenet/class_names": []}, "class_names", cause=6, lines=4),
    refused(
        "published numbers of an unknown selection",
        {"studies/pairs-layer3/published": {"recommended": {"al": {"matches": 3, "classes": 5}}}},
        "unknown key 'al'",
        "nearest: all",
        "'studies.pairs-layer3.published.recommended'",
        lines=4,
    ),
    refused("a pair of one class", {"studies/pairs-layer4/contrast": [["3+7"]]}, "contrast", lines=4),
    refused("a class that is a list", {"studies/pairs-layer3/classes": [[1]]}, "classes", lines=4),
    refused("a class below 0", {"studies/pairs-layer3/classes": [-1]}, "classes", lines=4),
    refused("a device that does not exist", {"device": "tpu"}, "device"),
    refused("a number of workers below 0", {"workers": -1}, "workers"),
    refused("shards of 0", {"class_shards": 0}, "class_shards"),
    refused("a seed below 0", {"seed": -1}, "seed"),
    refused("a seed of a fraction", {"seed": 0.5}, "seed"),
    refused("a switch that is a text", {"dff/pairs/shared": "yes"}, "shared"),
    refused("a precision that does not exist", {"precision": "float16"}, "precision"),
]
