"""The analyses. Each has a descriptor, and one line here."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import create_model

from conceptrast.base.errors import ConfigError
from conceptrast.plan.analysis import Analysis
from conceptrast.plan.key_types import Config, EntryName, Section, key
from conceptrast.plan.keys import Run

DESCRIPTORS = (
    "models",
    "concepts",
    "contrast",
    "counterfactual",
    "insertion",
    "saliency",
    "ace",
    "dff",
    "shortcut",
    "bias",
    "seeds",
)
"""Modules of this folder, in the order of a run's tables; each has one :class:`~conceptrast.plan.analysis.Analysis`."""


@cache
def analyses() -> Mapping[str, Analysis]:
    """All analyses by name.

    Raises:
        ConfigError: a descriptor has no name, or two have the same name, key or step.
    """
    modules = [importlib.import_module(f"{__name__}.{name}") for name in DESCRIPTORS]
    return MappingProxyType(by_name({module.__name__: module.ANALYSIS for module in modules}))


def by_name(descriptors: Mapping[str, Analysis]) -> dict[str, Analysis]:
    """Analyses by their names, from the analysis of each module.

    Raises:
        ConfigError: a descriptor has no name, or two have the same name, key or step.

    Example:
        >>> by_name({"one": Analysis(name="", question="?")})
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: one: the descriptor has no name: give it the one of its file of rules
    """
    for module, analysis in descriptors.items():
        if not analysis.name:
            raise ConfigError(f"{module}: the descriptor has no name: give it the one of its file of rules")
    listed = list(descriptors.values())
    _refuse_twice("name", [analysis.name for analysis in listed])
    _refuse_twice("key of a configuration", [name for analysis in listed for name in analysis.sections])
    _refuse_twice("key of a study", [name for analysis in listed for name in keys_of_study(analysis)])
    _refuse_twice("step", [name for analysis in listed for name in analysis.steps])
    _refuse_twice("table", [table.name for analysis in listed for table in analysis.tables])
    return {analysis.name: analysis for analysis in listed}


def _refuse_twice(what: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"two analyses have the {what} {twice[0]!r}: each needs one of its own")


@cache
def configuration() -> type[Run]:
    """The keys of a configuration: the keys that every run has, and the keys of all analyses."""
    fields: dict[str, Any] = {
        "studies": (dict[EntryName, study()], key("layers of models that are explained, by name", {})),  # type: ignore[misc]
    }
    for analysis in analyses().values():
        fields |= analysis.sections
    return create_model("Configuration", __base__=Run, __doc__="A run.", **fields)


@cache
def study() -> type[Section]:
    """The keys of a study: its own keys, and the keys that switch an analysis on."""
    from conceptrast.plan.analyses.concepts import Study

    keys: dict[str, Any] = {}
    for analysis in analyses().values():
        keys |= keys_of_study(analysis)
    return create_model("Study", __base__=Study, __doc__=Study.__doc__, **keys)


def keys_of_study(analysis: Analysis) -> dict[str, Any]:
    """The keys that an analysis gives a study: the one that switches it on, then its further ones."""
    return dict([analysis.study_key] if analysis.study_key else []) | dict(analysis.study_options)


def headlines(tables: Iterable[str]) -> list[Config]:
    """The places of these tables' headline numbers, as :func:`conceptrast.tables.headline_metrics` takes them.

    Example:
        >>> [headline] = headlines(["decoder"])
        >>> headline["owner"], headline["words"]
        ('study', ['{baseline}'])
    """
    declared = {table.name: (analysis, table) for analysis in analyses().values() for table in analysis.tables}
    return [
        {
            "table": name,
            "owner": analysis.wildcard,
            "words": list(table.words),
            "headlines": None if table.headlines is None else list(table.headlines),
            "rows": dict(table.rows),
            "measure": table.measure,
        }
        for name, (analysis, table) in ((name, declared[name]) for name in tables)
    ]


def interval_columns(tables: Iterable[str]) -> dict[str, Mapping[str, tuple[str, str]]]:
    """Columns of the ends of intervals in these tables, as :func:`conceptrast.tables.headline_intervals` takes them.

    Example:
        >>> interval_columns(["decoder", "mask"])
        {'decoder': {'same_class': ('low', 'high')}, 'mask': {}}
    """
    declared = {table.name: table for analysis in analyses().values() for table in analysis.tables}
    return {name: declared[name].intervals for name in tables}


def known_tables() -> list[str]:
    """Names of all tables of all analyses, in the order of a run's metrics."""
    return [table.name for analysis in analyses().values() for table in analysis.tables]
