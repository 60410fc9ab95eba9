"""What a descriptor of an analysis says: its part of the configuration, its steps, and the files that it gives.

Everything that all analyses share goes through these descriptors: the keys of a configuration and their reference, the
rules that are included, targets, settings and hashes of steps, checks before the start, what DVC records. So a new
analysis is its room, its steps, a file of rules, a descriptor in ``plan/analyses/`` and one line of the registry there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from conceptrast.plan.key_types import Config

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


ReportEntry = tuple[str, str | None, dict[str, str]]


def _always(_: Any) -> bool:
    return True


def _nothing(*_: Any, **__: Any) -> tuple[str, ...]:
    return ()


def _dataset(entry: Config, **_: str) -> list[str]:
    return [entry["dataset"]]


def _predicted(entry: Config) -> bool:
    return "model" in entry


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the workflow.

    Attributes:
        settings: gives what a job of the step needs of the configuration, from the plan and the job's wildcards. It
            gives no more than that, so that a changed value reruns only what depends on it.
        dataset: whether the step reads pictures; their kind then counts in its hash.
        model: whether it opens a model; its family then counts in its hash.
        implementations: ``package.module:name`` of the methods that the configuration chooses for a job.
        module: file in ``steps/`` if it is not called like the step.
    """

    settings: Callable[..., Config]
    dataset: bool = False
    model: bool = False
    implementations: Callable[..., Iterable[str]] = _nothing
    module: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the run.

    Attributes:
        name: of its file, ``tables/<name>.csv``.
        step: that writes it.
        when: whether a plan with this analysis has it.
        words: that tell the table's rows apart in the names of metrics, with columns in braces, e.g. ``{method}`` or
            ``k{n_components}``; a word that comes to ``none`` is left out.
        headlines: columns of its headline numbers; ``None``: all its numbers.
        rows: columns, and the value that a row needs there to give metrics.
        measure: ``package.module:function`` that gives metrics of the table in another way.
    """

    name: str
    step: str
    when: Callable[[Plan], bool] = _always
    words: tuple[str, ...] = ()
    headlines: tuple[str, ...] | None = ()
    rows: Mapping[str, Any] = field(default_factory=dict)
    measure: str = ""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One analysis: what the workflow, the checks and the documents know of it.

    Attributes:
        name: of the analysis, of its descriptor and of its file of rules, ``workflow/rules/<name>.smk``.
        question: that it answers, in one line.
        sections: its keys of a configuration, each with its type and :func:`~conceptrast.plan.key_types.key`.
        entries: the key that holds its named entries, each a job of its own.
        study_key: where ``entries`` is ``studies``, the key of a study that switches the analysis on for it, with its
            type and :func:`~conceptrast.plan.key_types.key`; every study has the analysis if there is none.
        wildcard: that the names of its entries have in the names of files.
        names: of its entries, where they are not the names in the configuration.
        steps: by name.
        tables: in the order of the run's metrics.
        figures: files with the names of entries as wildcards, e.g. ``figures/saliency/{view}/maps.png``.
        manifests: tables that list the figures in the folder of the same name beside them, with the same wildcards.
        report: category, subcategory and labels of its figures and tables in Snakemake's report, by the name of their
            caption in ``workflow/report/``; ``{name}`` is a file of a folder, all else a wildcard.
        folders: that it fills, for DVC.
        datasets: names of the datasets that a job reads, from the entry and the job's other wildcards.
        known: whether the truth is known of an entry, where its dataset's concepts are.
        predicted: whether an entry's pictures are chosen by what its model says of all pictures.
        check: ``package.module:function`` that refuses an entry before the run starts, see
            :mod:`conceptrast.steps.check_layers`.
        problems: lines for what is wrong with its sections beyond types, from the configuration and the folder of the
            package.
        entry_problems: lines for what is wrong with an entry beyond types and names, from the entry, the configuration
            and the folder of the package. Each goes on where the entry's key ends, e.g. ``.crop': …``.
    """

    name: str
    question: str
    sections: Mapping[str, tuple[Any, FieldInfo]] = field(default_factory=dict)
    entries: str = ""
    study_key: tuple[str, tuple[Any, FieldInfo]] | None = None
    wildcard: str = ""
    names: Callable[[Plan], list[str]] | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    figures: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    report: Mapping[str, ReportEntry] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    datasets: Callable[..., list[str]] = _dataset
    known: Callable[[Config], bool] = _always
    predicted: Callable[[Config], bool] = _predicted
    check: str = ""
    problems: Callable[[Config, Path], Iterable[str]] = _nothing
    entry_problems: Callable[[Config, Config, Path], Iterable[str]] = _nothing
