"""Descriptors of analyses. A descriptor gives an analysis's part of the configuration, its steps and its files.

Everything that all analyses share uses these descriptors: the keys of a configuration and their reference, the included
rules, the targets, the settings and hashes of steps, the checks before the start, and what DVC records. So a new
analysis needs its room, its steps, a file of rules, a descriptor in ``plan/analyses/`` and one line of the registry
there.
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
        settings: a function of the plan and the job's wildcards. It gives the part of the configuration that a job
            needs and no more, so that a changed value reruns only what depends on it.
        dataset: whether the step reads pictures. Then the code of their kind counts in the step's hash.
        model: whether the step opens a model. Then the code of its family counts in the step's hash.
        implementations: ``package.module:name`` of the methods that the configuration chooses for a job.
        module: file in ``steps/``, if its name is not the step's.
    """

    settings: Callable[..., Config]
    dataset: bool = False
    model: bool = False
    implementations: Callable[..., Iterable[str]] = _nothing
    module: str = ""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The plot that DVC draws of a table of curves.

    Attributes:
        title: what the curves show.
        x: column of the horizontal axis, with its label.
        y: column of the vertical axis, with its label.
    """

    title: str
    x: tuple[str, str]
    y: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the run.

    Attributes:
        name: name of its file, ``tables/<name>.csv``.
        step: name of the step that writes it.
        when: says whether a plan with this analysis has the table.
        words: words that tell the table's rows apart in the names of metrics, with columns in braces, e.g. ``{method}``
            or ``k{n_components}``; a word whose value is ``none`` is left out.
        headlines: columns of its headline numbers; ``None`` means all its numbers.
        rows: columns and values; only rows with these values give metrics.
        measure: ``package.module:function`` that computes metrics of the table in another way.
        intervals: columns of the ends of a number's interval, if they are not the number's name with ``_low`` and
            ``_high``.
        plot: how DVC plots it; ``None`` for tables that hold no curves.
    """

    name: str
    step: str
    when: Callable[[Plan], bool] = _always
    words: tuple[str, ...] = ()
    headlines: tuple[str, ...] | None = ()
    rows: Mapping[str, Any] = field(default_factory=dict)
    measure: str = ""
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    plot: Plot | None = None


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One analysis, as the workflow, the checks and the documents know it.

    Attributes:
        name: name of the analysis, of its descriptor and of its file of rules, ``workflow/rules/<name>.smk``.
        question: the question that it answers, in one line.
        sections: its keys in a configuration, each with its type and :func:`~conceptrast.plan.key_types.key`.
        entries: the key that holds its named entries; each entry has its own jobs.
        study_key: only if ``entries`` is ``studies``: the key of a study that switches the analysis on, with its type
            and :func:`~conceptrast.plan.key_types.key`. Without such a key, every study has the analysis.
        study_options: further keys of a study, which go with ``study_key``; each with its type and
            :func:`~conceptrast.plan.key_types.key`.
        wildcard: the wildcard that stands for the names of its entries in the names of files.
        names: names of its entries, if they are not the names in the configuration.
        steps: its steps by name.
        tables: its tables, in the order of the run's metrics.
        figures: files with the names of entries as wildcards, e.g. ``figures/saliency/{view}/maps.png``.
        manifests: tables with the same wildcards; each lists the figures in the folder of the same name beside it.
        pages: JSON files with the same wildcards: facts of the atlas's pages, whose pictures are in the folder of the
            same name beside it.
        report: category, subcategory and labels of its figures and tables in Snakemake's report. The key is the name
            of their caption in ``workflow/report/``. Braces are wildcards. The report has no folders of pictures: the
            atlas shows them.
        folders: folders that it fills, for DVC.
        datasets: gives the names of the datasets that a job reads, from the entry and the job's other wildcards.
        models: gives the names of models that it asks beside those of its entries.
        known: says whether the concepts in an entry's pictures are known, if they are known for its dataset.
        predicted: says whether the model's predictions choose an entry's pictures.
        check: ``package.module:function`` that refuses an entry before the run starts, see
            :mod:`conceptrast.steps.check_layers`.
        problems: gives a line for each mistake in its sections that types do not show, from the configuration and the
            folder of the package.
        entry_problems: gives a line for each mistake in an entry that types and names do not show, from the entry, the
            configuration and the folder of the package. A line continues the entry's key, e.g. ``.crop': …``.
    """

    name: str
    question: str
    sections: Mapping[str, tuple[Any, FieldInfo]] = field(default_factory=dict)
    entries: str = ""
    study_key: tuple[str, tuple[Any, FieldInfo]] | None = None
    study_options: Mapping[str, tuple[Any, FieldInfo]] = field(default_factory=dict)
    wildcard: str = ""
    names: Callable[[Plan], list[str]] | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    figures: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    report: Mapping[str, ReportEntry] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    datasets: Callable[..., list[str]] = _dataset
    models: Callable[[Plan], Iterable[str]] = _nothing
    known: Callable[[Config], bool] = _always
    predicted: Callable[[Config], bool] = _predicted
    check: str = ""
    problems: Callable[[Config, Path], Iterable[str]] = _nothing
    entry_problems: Callable[[Config, Config, Path], Iterable[str]] = _nothing
