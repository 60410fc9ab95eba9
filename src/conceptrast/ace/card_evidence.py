"""The evidence for the figure of a class's ACE concepts: example segments in their pictures, and the tests in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from conceptrast.ace.cards import EXAMPLES_PER_ROW, AceCard, ConceptRow
from conceptrast.ace.class_concepts import ClassConcepts
from conceptrast.ace.options import AceOptions
from conceptrast.ace.superpixels import superpixels
from conceptrast.base.progress import counted
from conceptrast.data.view_pixels import pixels
from conceptrast.models.pictures import Pictures

SHAPE_WORDS = {
    "resized": "each enlarged to the whole input",
    "in_place": "each in its place, the rest in the mean colour",
}


def ace_card(pictures: Pictures, class_concepts: ClassConcepts, options: AceOptions, study: str) -> AceCard:
    """Put together the figure of a class, for the first shape of segments.

    Args:
        pictures: images and model.
        class_concepts: the class's concepts.
        options: the options with which the concepts were found.
        study: the name of the study, for the header of the figure.
    """
    # Example segments, and the views that they come from.
    concepts = class_concepts.concepts[0]
    examples = concepts.examples(class_concepts.segments)
    views = pictures.by_id(np.unique(examples["image"].to_numpy(np.int64)))
    masks = cache(lambda image: superpixels(pixels(views[image]), options.segments))

    # A row for every concept that was tested.
    table = concepts.table[concepts.table["baseline"] == "none"]
    rows = []
    for place, concept in enumerate(table[table["status"] == "ok"].itertuples()):
        segments = examples[examples["concept"] == concept.concept]
        places = _first_of_each_image(segments["image"].to_numpy(np.int64))[:EXAMPLES_PER_ROW]
        pairs = segments.iloc[places][["image", "segment"]].to_numpy(np.int64).tolist()
        facts = [
            f"TCAV {concept.tcav:.2f}, random CAVs {concept.tcav_random:.2f}",
            f"p = {concept.p_corrected:.2g} (Holm), derivative {concept.derivative:+.2f}",
            f"{concept.n_segments} segments from {concept.n_images} images",
        ]
        rows.append(
            ConceptRow(
                examples=[(pixels(views[image]), masks(image)[segment]) for image, segment in pairs],
                scores=concepts.tested.scores[place],
                speaks=str(concept.speaks),
                facts="\n".join(facts),
                shows=_shows(segments["shows"].to_list() if "shows" in segments else []),
            )
        )

    # Words for the header and the foot.
    target = class_concepts.target
    images = counted(len(class_concepts.images), "images predicted as the class")
    header = [
        f"class {target}",
        f"{len(class_concepts.segments.table)} segments of {images}, {SHAPE_WORDS[concepts.segments_as]}",
        study,
    ]
    return AceCard(
        class_name=pictures.model.class_names[target],
        facts="  ·  ".join(header),
        rows=rows,
        random=concepts.random,
        left_out=table.loc[table["status"] == "skipped", "reason"].to_list(),
    )


def _first_of_each_image(images: np.ndarray) -> np.ndarray:
    """The places of the best segment of every image, then the places of the others."""
    first = np.sort(np.unique(images, return_index=True)[1])
    return np.concatenate([first, np.setdiff1d(np.arange(len(images)), first)])


def _shows(names: Sequence[str]) -> str:
    """What the segments of a concept truly show, if that is known."""
    if not len(names):
        return ""
    (name, count), *_ = Counter(names).most_common(1)
    return f"truly shows: {name} ({100 * count / len(names):.0f} %)"
