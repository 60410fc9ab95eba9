"""Headline numbers of the tables of a run, as a flat mapping for DVC and MLflow.

The tables themselves are made in the rooms; each row holds one fact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.registry import implementation


def headline_metrics(tables: Mapping[str, pd.DataFrame], headlines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Headline numbers of all tables by ``study/metric`` (or ``model/metric``).

    Args:
        tables: the tables by name.
        headlines: for each table its name (``table``) and where its numbers are:

            - ``owner``: the column that says what a row is about, e.g. ``study``;
            - ``words``: the words that tell its rows apart, with columns in braces; a word that becomes ``none`` is
            left out; - ``headlines``: the columns of the numbers; ``None`` means all; - ``rows``: columns, and the
            value that a row must have in each; - ``measure``: ``package.module:function`` that gives metrics of the
            table in another way.

    Example:
        >>> models = pd.DataFrame({"model": ["net"], "epochs": [2], "validation_accuracy": [0.9]})
        >>> how = {"table": "models", "owner": "model", "words": [], "headlines": None, "rows": {}, "measure": ""}
        >>> headline_metrics({"models": models}, [how])
        {'net/epochs': 2.0, 'net/validation_accuracy': 0.9}
    """
    metrics: dict[str, float] = {}
    for headline in headlines:
        table = tables[headline["table"]]
        if headline["measure"]:
            metrics |= implementation(headline["measure"])(table)
        for row in _records(table):
            if all(row.get(column) == value for column, value in headline["rows"].items()):
                numbers = _numbers(row) if headline["headlines"] is None else headline["headlines"]
                metrics |= _named(row, headline["owner"], numbers, headline["words"])
    return metrics


def _numbers(row: Mapping[str, Any]) -> list[str]:
    return [key for key, value in row.items() if isinstance(value, int | float) and key != "layer"]


def _named(row: Mapping[str, Any], owner: str, numbers: Iterable[str], words: Iterable[str]) -> dict[str, float]:
    """The numbers of a row that are known, by ``study/number_words``."""
    values = defaultdict(lambda: "none", row)
    ending = "".join(f"_{text}" for word in words if (text := word.format_map(values)) != "none")
    return {f"{row[owner]}/{key}{ending}": float(row[key]) for key in numbers if key in row and np.isfinite(row[key])}


def _records(table: pd.DataFrame | None) -> Iterable[dict[str, Any]]:
    records = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in records]
