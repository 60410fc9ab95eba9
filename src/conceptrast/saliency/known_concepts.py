"""What is known of the pictures of a view: which concept tells each pair of classes apart, and where it is."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from conceptrast.concepts.known_boxes import refuse_resized
from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.contrast.recovery import sharing_pairs
from conceptrast.models.pictures import Pictures


class KnownConcepts(NamedTuple):
    """Where concepts are, and which of them tell classes apart."""

    truth: pd.DataFrame
    """image, concept, top, left, height, width, faint."""
    concepts: dict[tuple[int, int], tuple[str, str]]
    """By pair of classes (A, B): the concept of A that B lacks, and the one that both have."""


def known_concepts(pictures: Pictures, truth: pd.DataFrame) -> KnownConcepts:
    """What is known of pictures whose truth is given.

    Raises:
        DataError: the model sees the pictures in another size, so that the boxes lie elsewhere.
    """
    refuse_resized(pictures.dataset, pictures.table, pictures.model.preprocess)
    concepts = concepts_by_class(pictures.table, truth, pictures.model.class_names)
    return KnownConcepts(truth=truth, concepts=sharing_pairs(concepts, list(concepts)))
