"""The files of a run that its atlas shows; what is missing is noted, and the pages say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.errors import DataError
from conceptrast.base.files import read_json, read_table
from conceptrast.verification.results import Results

Row = dict[str, Any]


@dataclass(frozen=True)
class Description:
    """What a run was asked, and what it was made from.

    Args:
        run: its name.
        config: its checked configuration.
        questions: the question of each of its analyses, by name of the analysis.
        entries: names of the entries of each analysis.
        tables: names of the tables of each analysis.
        card_recipe: the recipe that the pages of classes show.
        code: hash of the library files.
        data: fingerprints of the pictures by dataset.
        weights: fingerprints of weights by model.
    """

    run: str
    config: Mapping[str, Any]
    questions: Mapping[str, str]
    entries: Mapping[str, list[str]]
    tables: Mapping[str, list[str]]
    card_recipe: str
    code: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def studies(self) -> Mapping[str, Any]:
        """Studies by name."""
        return self.config["studies"]

    @property
    def untrained(self) -> list[str]:
        """Names of models whose weights are random.

        Example:
            >>> models = {"net": {"architecture": "resnet10", "train": None}, "learnt": {"train": {"dataset": "d"}}}
            >>> Description("run", {"models": models}, {}, {}, {}, card_recipe="recommended").untrained
            ['net']
        """
        return [
            name
            for name, entry in self.config.get("models", {}).items()
            if not {"train", "weights", "factory"} & {key for key, value in entry.items() if value is not None}
        ]

    def has(self, analysis: str, name: str) -> bool:
        """Whether an analysis has an entry of this name."""
        return name in self.entries.get(analysis, [])

    def how_fitted(self, hyperplanes: str) -> str:
        """How hyperplanes of this name are fitted, in words; empty if the configuration does not say.

        Example:
            >>> fitted = {"zero": {"solver": "gradient_descent", "init": "zero"}, "sure": {"solver": "logistic"}}
            >>> config = {"contrast": {"hyperplanes": fitted}}
            >>> described = Description("run", config, {}, {}, {}, card_recipe="recommended")
            >>> [described.how_fitted(name) for name in ("zero", "sure", "other")]
            ['gradient descent from zero weights', 'logistic regression', '']
        """
        entry = self.config.get("contrast", {}).get("hyperplanes", {}).get(hyperplanes, {})
        if entry.get("solver") == "logistic":
            return "logistic regression"
        return f"gradient descent from {entry['init']} weights" if "init" in entry else ""


@dataclass
class RunFiles:
    """The files in the folder of a run.

    Args:
        folder: ``results/<run>``.
        description: of the run.

    Attributes:
        missing: paths of files that the run should have and has not; grows while files are read.
    """

    folder: Path
    description: Description
    missing: list[str] = field(default_factory=list)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The run's tables by name; what cannot be read counts as missing."""
        tables = {}
        for name in dict.fromkeys(name for names in self.description.tables.values() for name in names):
            table = self.table(f"tables/{name}.csv")
            if table is not None:
                tables[name] = table
        return tables

    @cached_property
    def records(self) -> dict[str, list[Row]]:
        """The rows of all tables."""
        return {name: records_of(table) for name, table in self.tables.items()}

    @cached_property
    def results(self) -> Results | None:
        """Tables and metrics, as claims are checked on them; ``None`` while the run has no metrics."""
        metrics = self.json("metrics.json")
        return None if metrics is None else Results(f"results/{self.description.run}", metrics, self.tables)

    def rows(self, table: str, **values: Any) -> list[Row]:
        """The rows of a table that have these values; none if the table is missing."""
        rows = self.records.get(table, [])
        return [row for row in rows if all(row.get(column) == value for column, value in values.items())]

    def by_labels(self, test: Mapping[str, Any]) -> list[Row]:
        """The rows of one component prediction by groups of labels; none if its study keeps no labels apart."""
        columns = ("study", "recipe", "selection", "layout", "baseline")
        return self.rows("component_prediction_by_labels", **{name: test[name] for name in columns if name in test})

    def rows_of_entry(self, analyses: Iterable[str], name: str) -> dict[str, list[Row]]:
        """The rows of all tables of some analyses that are of one entry, whose name is in a table's first column."""
        tables = [table for analysis in analyses for table in self.description.tables.get(analysis, [])]
        return {
            table: [row for row in self.records.get(table, []) if next(iter(row.values()), None) == name]
            for table in tables
        }

    def row(self, table: str, **values: Any) -> Row | None:
        """The first of these rows."""
        return next(iter(self.rows(table, **values)), None)

    def table(self, path: str) -> pd.DataFrame | None:
        """A table of the run by its path; ``None`` if it is missing or cannot be read."""
        file = self.folder / path
        if not self._is_there(path):
            return None
        try:
            return read_table(file)
        except (ValueError, OSError):
            self.missing.append(path)
            return None

    def json(self, path: str) -> Any:
        """A JSON file of the run; ``None`` if it is missing or cannot be read."""
        if not self._is_there(path):
            return None
        try:
            return read_json(self.folder / path)
        except (ValueError, OSError):
            self.missing.append(path)
            return None

    def text(self, path: str) -> str:
        """The text of a file; empty if it is missing."""
        return (self.folder / path).read_text(encoding="utf-8") if self._is_there(path) else ""

    def figure(self, path: str) -> Path | None:
        """A figure of the run; ``None`` if it is missing."""
        return self.folder / path if self._is_there(path) else None

    def _is_there(self, path: str) -> bool:
        if (self.folder / path).is_file():
            return True
        if path not in self.missing:
            self.missing.append(path)
        return False


def records_of(table: pd.DataFrame) -> list[Row]:
    """The rows of a table by column."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def description_of(settings: Mapping[str, Any]) -> Description:
    """The description in the settings of the step ``atlas``.

    Raises:
        DataError: a setting is missing.
    """
    names = Description.__dataclass_fields__
    try:
        return Description(**{name: settings[name] for name in names})
    except KeyError as error:
        raise DataError(f"the settings of the atlas lack {error}") from None
