"""The rows of a class in the table of a study's concepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from conceptrast.ace.class_concepts import ClassConcepts
from conceptrast.ace.concepts import no_concepts
from conceptrast.ace.recovery import with_shown_things


def concept_tables(
    concepts: ClassConcepts, name: str, known: Mapping[int, Sequence[str]] | None = None
) -> list[pd.DataFrame]:
    """The concepts of a class, as one table for each shape of its segments.

    Args:
        concepts: the concepts of the class.
        name: the name of the class.
        known: the things that are in all pictures of a class, by class. If they are given, the tables say what the
            concepts show.
    """
    if known is None:
        tables = [by_shape.table for by_shape in concepts.concepts]
    else:
        things = known.get(concepts.target, [])
        tables = [with_shown_things(by_shape, concepts.segments, things) for by_shape in concepts.concepts]
    return [_with_class(table, concepts.target, name) for table in tables]


def tables_without_images(target: int, name: str, segments_as: Sequence[str], reason: str) -> list[pd.DataFrame]:
    """The tables of a class that is left out, one for each shape of segments, with the reason.

    Example:
        >>> [table] = tables_without_images(3, "cat", ["resized"], "no images")
        >>> table[["class", "class_name", "segments_as", "status", "reason"]].to_numpy().tolist()
        [[3, 'cat', 'resized', 'skipped', 'no images']]
    """
    return [_with_class(no_concepts(target, shape, [reason]).table, target, name) for shape in segments_as]


def _with_class(table: pd.DataFrame, target: int, name: str) -> pd.DataFrame:
    head = pd.DataFrame({"class": target, "class_name": name}, index=table.index)
    return pd.concat([head, table], axis=1)
