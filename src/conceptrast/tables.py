"""Headline numbers of the tables of a run, as a flat mapping for DVC and MLflow.

The tables themselves are made in the rooms; each row holds one fact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
        if headline["measure"]:
            metrics |= implementation(headline["measure"])(tables[headline["table"]])
        metrics |= {name: float(row[column]) for name, row, column in _cells(tables, headline)}
    return metrics


def headline_intervals(
    tables: Mapping[str, pd.DataFrame],
    headlines: Iterable[Mapping[str, Any]],
    ends: Mapping[str, Mapping[str, tuple[str, str]]],
) -> dict[str, tuple[float, float]]:
    r"""Intervals of headline numbers, from the rows that the numbers stand in.

    The ends of ``x`` are in the columns ``x_low`` and ``x_high``. Without these, they are two standard deviations away,
    :math:`x \pm 2 s`, where :math:`s > 0` is in ``x_sd`` (for ``x_mean`` as well). Other numbers have no interval.

    Args:
        tables: the tables by name.
        headlines: as for :func:`headline_metrics`.
        ends: by table and column, the columns of the ends if they have other names.

    Returns:
        Lower and upper end by the name of the metric.

    Example:
        >>> rows = pd.DataFrame({"model": ["net"], "accuracy": [0.9], "loss_mean": [2.0], "loss_sd": [0.5]})
        >>> rows = rows.assign(low=0.8, high=0.95)
        >>> how = {"table": "models", "owner": "model", "words": [], "headlines": None, "rows": {}, "measure": ""}
        >>> intervals = headline_intervals({"models": rows}, [how], {"models": {"accuracy": ("low", "high")}})
        >>> intervals["net/accuracy"], intervals["net/loss_mean"]
        ((0.8, 0.95), (1.0, 3.0))
    """
    intervals = {}
    for headline in headlines:
        for name, row, column in _cells(tables, headline):
            columns = ends.get(headline["table"], {}).get(column, (f"{column}_low", f"{column}_high"))
            interval = _interval(row, column, columns)
            if interval is not None:
                intervals[name] = interval
    return intervals


def _interval(row: Mapping[str, Any], column: str, ends: tuple[str, str]) -> tuple[float, float] | None:
    """The interval of one number; ``None`` if its row says none."""
    if all(_is_finite(row.get(end)) for end in ends):
        return float(row[ends[0]]), float(row[ends[1]])
    deviation = row.get("sd" if column == "mean" else f"{column.removesuffix('_mean')}_sd", 0)
    if not _is_finite(deviation) or not deviation > 0:
        return None
    return float(row[column] - 2 * deviation), float(row[column] + 2 * deviation)


def _cells(
    tables: Mapping[str, pd.DataFrame], headline: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The headline numbers of a table that are known: name as ``study/number_words``, row, column."""
    for row in _records(tables[headline["table"]]):
        if all(row.get(column) == value for column, value in headline["rows"].items()):
            values = defaultdict(lambda: "none", row)
            words = [text for word in headline["words"] if (text := word.format_map(values)) != "none"]
            for column in _numbers(row) if headline["headlines"] is None else headline["headlines"]:
                if column in row and np.isfinite(row[column]):
                    yield f"{row[headline['owner']]}/{'_'.join([column, *words])}", row, column


def _numbers(row: Mapping[str, Any]) -> list[str]:
    return [key for key, value in row.items() if isinstance(value, int | float) and key != "layer"]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _records(table: pd.DataFrame | None) -> Iterable[dict[str, Any]]:
    records = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in records]
