"""Write the reference of all keys of a configuration as Markdown, from the sections of all analyses.

``python -m conceptrast.plan.reference FILE`` writes it between ``<!-- keys -->`` and ``<!-- end -->`` of a document.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from conceptrast.base.files import atomic
from conceptrast.data import DATASET_KINDS
from conceptrast.plan.analyses import configuration
from conceptrast.plan.configuration import keywords
from conceptrast.plan.key_types import Names, Section, defaults_of, entries_in, fields_of, section_in

BLOCK = re.compile(r"(<!-- keys -->\n).*?(<!-- end -->)", re.DOTALL)
BASIC = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "mapping"}
NAMED = {
    "model": "name of a model",
    "dataset": "name of a dataset",
    "layer": "layer",
    "file": "file, or a list",
    "weights": "name or file",
    "class": "class",
    "classes": "classes",
    "pairs": "pairs of classes",
    "labels": "labels",
}


def reference() -> str:
    """The reference as Markdown: a table of keys for the run, and one for every section that it holds.

    Example:
        >>> "| `class_shards` | whole number, at least 1 | 1 |" in reference()
        True
    """
    parts = [
        f"### `{place}`\n\n{(section.__doc__ or '').strip()}\n\n{_table(section)}" for place, section in _sections()
    ]
    kinds = "\n".join(f"| `{kind}` | {', '.join(f'`{name}`' for name in options)} |" for kind, options in _kinds())
    parts.append(f"### Kinds of datasets and their options\n\n| `kind` | options |\n|---|---|\n{kinds}\n")
    return "\n".join(["### A run\n\n" + _table(configuration()), *parts])


def write_reference(document: Path) -> None:
    """Put the reference between the two marks of a document."""
    text = document.read_text()
    with atomic(document) as part:
        part.write_text(BLOCK.sub(lambda marks: marks.group(1) + reference() + marks.group(2), text))


def _sections() -> Iterator[tuple[str, type[Section]]]:
    """Every section below the run, with the path of keys to it; ``<name>`` stands for the name of an entry."""
    waiting: list[tuple[str, type[Section]]] = [("", configuration())]
    while waiting:
        place, section = waiting.pop(0)
        if place:
            yield place, section
        inner_sections = []
        for name, field in fields_of(section).items():
            entries = entries_in(field.annotation)
            inner = entries or section_in(field.annotation)
            if inner is not None:
                inner_sections.append((f"{place}.{name}".lstrip(".") + (".<name>" if entries else ""), inner))
        waiting = inner_sections + waiting


def _kinds() -> Iterator[tuple[str, list[str]]]:
    """Every kind of dataset and its options."""
    source = Path(__file__).resolve().parents[1]
    for kind, implementation in DATASET_KINDS.items():
        yield kind, [name for name in keywords(source, implementation) if name != "seed"]


def _table(section: type[Section]) -> str:
    """The keys of one section."""
    defaults = defaults_of(section)
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields_of(section).items():
        default = "needed" if field.is_required() else ""
        if name in defaults and entries_in(field.annotation) is None and section_in(field.annotation) is None:
            default = _text(defaults[name])
        lines.append(f"| `{name}` | {_value(field)} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _text(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default)


def _value(field: FieldInfo) -> str:
    """The values that a key takes, in words."""
    names = next((part.what for part in _metadata(field.metadata, field.annotation) if isinstance(part, Names)), None)
    words = NAMED[names] if names else _type(field.annotation)
    bounds = []
    for part in _metadata(field.metadata, field.annotation):
        for attribute, text in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            if getattr(part, attribute, None) is not None:
                bounds.append(f"{text} {getattr(part, attribute):g}")
    return ", ".join([words, *dict.fromkeys(bounds)])


def _metadata(metadata: list[Any], annotation: Any) -> Iterator[Any]:
    """The metadata beside a type and inside it."""
    for part in metadata:
        yield from getattr(part, "metadata", ()) or (part,)
    for option in get_args(annotation) if get_origin(annotation) is not dict else ():
        yield from _metadata(list(getattr(option, "__metadata__", ())), option)


def _type(annotation: Any) -> str:
    """A type in words."""
    if entries_in(annotation) is not None:
        return "entries by name"
    if section_in(annotation) is not None:
        return "section"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) is list:
        return f"list: {_type(get_args(annotation)[0])}"
    options = [option for option in get_args(annotation) if option is not type(None)]
    if options and get_origin(annotation) is not dict:
        return _type(options[0])
    return BASIC.get(annotation, "one value or several" if annotation is Any else "mapping")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
