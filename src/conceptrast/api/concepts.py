"""The concepts of one class of a model from Python, found among superpixels.

The same functions as the workflow's step, in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from conceptrast.ace.card_evidence import ace_card
from conceptrast.ace.cards import AceCard
from conceptrast.ace.cav_arrays import cav_arrays, strongest_cav
from conceptrast.ace.class_concepts import AceOptions, concepts_of_classes
from conceptrast.ace.concepts import Concepts
from conceptrast.ace.settings import AceSettings
from conceptrast.ace.superpixels import SHAPES
from conceptrast.api.explain import as_model, images_of
from conceptrast.base.errors import ConceptrastError, ConfigError, unknown_name
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.figures.ace import draw_ace_card
from conceptrast.models.inference import autocast, predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel


@dataclass(frozen=True)
class Discovery:
    """What :func:`discover_concepts` found.

    Attributes:
        class_name: the class.
        layer: where the model was looked into.
        n_images: images predicted as the class that were cut.
        concepts: the kept concepts with their tests, and what was dropped and why.
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


def discover_concepts(
    model: Model | nn.Module,
    images: AnyPictures,
    target: str | int,
    layer: str,
    *,
    segments: Sequence[int] = (15, 50, 80),
    segments_as: str = "resized",
    images_per_class: int = 50,
    random_images: int = 50,
    clusters: int = 25,
    min_segments: int = 20,
    max_segments: int = 40,
    draws: int = 20,
    significance: float = 0.01,
    seed: int = 0,
    precision: str = "float32",
    batch_size: int = 32,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> Discovery:
    """Find the concepts of a class among superpixels of its images, and test each with concept activation vectors.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index; also of other classes, whose segments stand for no concept.
        target: the class, by name or index.
        layer: where the model is looked into, e.g. ``layer4.2``.
        segments: numbers of superpixels that a picture is cut into, one after the other.
        segments_as: ``resized`` to the whole input, as published, or ``in_place``.
        images_per_class: at most so many images predicted as the class are cut.
        random_images: at most so many images predicted as another class are cut.
        clusters: of the class's segments.
        min_segments: a smaller cluster is no concept.
        max_segments: nearest to its centre that stand for a concept.
        draws: of random segments, each with a CAV of its own.
        significance: highest corrected p-value of a significant concept.
        seed: of all draws.
        precision: ``float32`` or ``bfloat16``.
        batch_size: segments in a batch.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Returns:
        The concepts, strongest first; ``.plot()`` draws them, ``.table()`` lists them with their tests.

    Raises:
        ModelError: a bare network without ``preprocess``.
        LayerError: there is no such layer, or its activations have no positions.
        ConfigError: unknown class, shape of segments or precision.
        DataError: no usable picture.
        ConceptrastError: no picture is predicted as the class, or none as another one.

    Source: see :mod:`conceptrast.ace.concepts`.

    Example:
        >>> from PIL import Image
        >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> draw = np.random.default_rng(0)
        >>> noise = [draw.integers(0, 60, (16, 16, 3), np.uint8) for _ in range(8)]
        >>> for number, picture in enumerate(noise):
        ...     picture[4:12, 4:12, number % 2] = 255
        >>> found = discover_concepts(
        ...     network, [Image.fromarray(picture) for picture in noise], "red", layer="1", segments=[4],
        ...     segments_as="in_place", clusters=2, min_segments=4,
        ...     preprocess=Preprocess(16, 16, (0.2,) * 3, (0.25,) * 3), class_names=["red", "green", "blue"])
        >>> found.n_images, found.table()["speaks"].dropna().unique().tolist()[:1]
        (4, ['for'])
    """
    whole = as_model(model, preprocess, class_names)
    index = whole.class_index(target)
    if segments_as not in SHAPES:
        raise ConfigError(unknown_name("shape of segments", segments_as, SHAPES))
    autocast(precision)
    split = SplitModel(whole, layer)
    settings = AceSettings(
        segments, (segments_as,), images_per_class, random_images, clusters, min_segments, max_segments, draws,
        significance,
    )  # fmt: skip
    dataset, table = as_dataset(images)
    pictures = Pictures(dataset, table, whole, batch_size)
    predictions = predict(whole, pictures.of(table["image"].to_numpy(), "predicting"), precision)
    chosen = images_of(predictions, whole, index, images_per_class, seed)
    if (predictions["predicted"] == index).all():
        name = whole.class_names[index]
        raise ConceptrastError(f"all {len(table)} pictures are predicted as {name!r}: add pictures of other classes")
    options = AceOptions(seed=seed, precision=precision)
    [found] = concepts_of_classes(pictures, split, predictions, {index: chosen}, settings=settings, options=options)
    [concepts] = found.concepts
    examples = concepts.examples(found.segments).merge(table[["image", "path"]], on="image", how="left")
    card = ace_card(pictures, found, settings, f"{whole.name} at {layer}")
    return Discovery(whole.class_names[index], layer, len(chosen), concepts, examples, card)
