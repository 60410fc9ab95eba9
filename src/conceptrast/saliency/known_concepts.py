"""The known truth about the pictures of a view: the concept that tells each pair of classes apart, and its place."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from conceptrast.concepts.known_boxes import refuse_resized
from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.contrast.recovery import sharing_pairs
from conceptrast.models.pictures import Pictures


class KnownConcepts(NamedTuple):
    """The places of concepts, and the concepts that tell classes apart."""

    truth: pd.DataFrame
    """image, concept, top, left, height, width, faint."""
    concepts: dict[tuple[int, int], tuple[str, str]]
    """By pair of classes (A, B): the concept of A that B lacks, and the one that both have."""


def known_concepts(pictures: Pictures, truth: pd.DataFrame) -> KnownConcepts:
    """Gather what is known of pictures from their truth.

    Raises:
        DataError: the model sees the pictures in another size, so the boxes do not fit.
    """
    refuse_resized(pictures.dataset, pictures.table, pictures.model.preprocess)
    concepts = concepts_by_class(pictures.table, truth, pictures.model.class_names)
    return KnownConcepts(truth=truth, concepts=sharing_pairs(concepts, list(concepts)))
