"""Which concepts has a class, among superpixels of its pictures? ACE, and tests with concept activation vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from conceptrast.ace.card_evidence import ace_card
from conceptrast.ace.cards import AceCard
from conceptrast.ace.cav_arrays import cav_arrays, strongest_cav
from conceptrast.ace.class_concepts import AceRun, concepts_of_classes
from conceptrast.ace.concepts import Concepts
from conceptrast.ace.options import AceOptions
from conceptrast.ace.superpixels import SHAPES
from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.base.errors import ConceptrastError, ConfigError, unknown_name
from conceptrast.counterfactual.directions import Direction
from conceptrast.figures.ace import draw_ace_card

PUBLISHED = AceOptions()


@dataclass(frozen=True, repr=False)
class Discovery(Result):
    """The concepts of a class among superpixels: the answer of
    :meth:`Study.concepts <conceptrast.api.study.Study.concepts>`.

    Attributes:
        class_name: the class.
        layer: the layer where the model was looked into.
        n_images: the number of images predicted as the class that were cut.
        concepts: the kept concepts with their tests, and the dropped clusters with the reasons.
        examples: concept, rank, image, segment, path: the segments that stand for each concept, nearest first.
        card: all that :meth:`plot` draws.
    """

    class_name: str
    layer: str
    n_images: int
    concepts: Concepts
    examples: pd.DataFrame
    card: AceCard

    @property
    def cavs(self) -> np.ndarray:
        """CAVs ``[n, C]`` of the kept concepts, of length 1, in the order of the table."""
        return self.concepts.tested.cavs

    def strongest(self) -> tuple[str, np.ndarray] | None:
        """Name and CAV of the significant concept that speaks for the class most, if there is one."""
        return strongest_cav(cav_arrays([self.concepts], {self.concepts.target: self.class_name}), self.concepts.target)

    def direction(self) -> Direction:
        """The CAV of the strongest concept, as a direction that a picture can be moved along towards the class.

        Raises:
            ConceptrastError: no significant concept speaks for the class.
        """
        strongest = self.strongest()
        if strongest is None:
            raise ConceptrastError(f"no significant concept speaks for {self.class_name}: there is no direction")
        name, cav = strongest
        return Direction("cav", name, self.layer, torch.as_tensor(cav))

    def table(self) -> pd.DataFrame:
        """One row a concept: class_name, layer, and the columns of :class:`~conceptrast.ace.concepts.Concepts`."""
        head = pd.DataFrame({"class_name": self.class_name, "layer": self.layer}, index=self.concepts.table.index)
        return pd.concat([head, self.concepts.table], axis=1)

    def plot(self) -> Figure:
        """The concepts with example segments and scores, as the workflow draws them."""
        return draw_ace_card(self.card)

    def __str__(self) -> str:
        lines = [f"concepts of {self.class_name} at {self.layer}: {self.n_images} images"]
        for row in self.concepts.table.query("status == 'ok' and baseline == 'none'").itertuples():
            verdict = f"speaks {row.speaks} it" if row.significant else "not significant"
            lines.append(f"  {row.concept}: TCAV {row.tcav:.2f}, random {row.tcav_random:.2f}, {verdict}")
        return "\n".join(lines)


def discover(evidence: Evidence, target: int, options: AceOptions) -> Discovery:
    """Find the concepts of a class among superpixels of its pictures, and test each with concept activation vectors.

    Args:
        evidence: the evidence of the study.
        target: class index.
        options: the options of the question; ``images`` is used unless the study's options say how many pictures of a
            class to use.

    Raises:
        LayerError: the layer's activations have no positions.
        ConfigError: there is no such shape of segments.
        ConceptrastError: no picture is predicted as the class, or none as another one.
    """
    # What cannot be asked.
    for shape in options.segments_as:
        if shape not in SHAPES:
            raise ConfigError(unknown_name("shape of segments", shape, SHAPES))
    images = evidence.class_images(target, default=options.images)
    name = evidence.model.class_names[target]
    if (evidence.predictions["predicted"] == target).all():
        count = len(evidence.predictions)
        raise ConceptrastError(f"all {count} pictures are predicted as {name!r}: add pictures of other classes")
    # The concepts of this one class.
    [class_concepts] = concepts_of_classes(
        evidence.pictures,
        evidence.split,
        predictions=evidence.predictions,
        images_by_class={target: images},
        options=options,
        run=AceRun(seed=evidence.options.seed, precision=evidence.options.precision),
    )
    [concepts] = class_concepts.concepts
    # The answer, with the files of the examples.
    paths = evidence.pictures.table[["image", "path"]]
    return Discovery(
        class_name=name,
        layer=evidence.layer,
        n_images=len(images),
        concepts=concepts,
        examples=concepts.examples(class_concepts.segments).merge(paths, on="image", how="left"),
        card=ace_card(evidence.pictures, class_concepts, options, evidence.source),
    )
