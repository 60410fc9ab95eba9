"""What would have to be different for another class? A picture is moved in a layer, and decoded on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.base.errors import ConceptrastError, ConfigError, unknown_name
from conceptrast.base.names import short
from conceptrast.base.progress import counted, duration
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import Decoder
from conceptrast.counterfactual.decoder_training import DEFAULTS, DecoderOptions, train_decoder
from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.edit_kinds import NO_VECTOR
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals, recognised_images
from conceptrast.counterfactual.pair_edits import PairKnowledge, edits_towards
from conceptrast.counterfactual.pasted_cells import PASTED, PairViews
from conceptrast.counterfactual.search import SearchOptions
from conceptrast.counterfactual.story import Story
from conceptrast.counterfactual.study_knowledge import DONORS
from conceptrast.counterfactual.table import not_recognised, with_names
from conceptrast.data.decoding import open_rgb
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.counterfactual import draw_counterfactual
from conceptrast.figures.counterfactual_animation import animation, save_gif
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.injection import Injection, LayerValues, layer_values
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.models.training_pictures import TrainingPictures

SECONDS_PER_PIXEL = 1.4e-6
"""Rough time of training, for each pixel of each picture in each epoch: 77 s for two epochs of 3,000 pictures of 96
pixels on two cores of a server processor."""


@dataclass(frozen=True, repr=False)
class Counterfactual(Result):
    """What would have to be different: the answer of
    :meth:`Study.counterfactual <conceptrast.api.study.Study.counterfactual>`.

    Attributes:
        names: the names of the class that the model gives the picture, and of the one that it is moved towards.
        layer: the layer whose activations are decoded.
        inject: the layer whose values are moved: the same one, or an earlier one.
        rows: edit, direction, stop, baseline, lambda, cells, and what the suffix, the whole model (of the decoded
            picture) and the judge, if there is one, say.
        stories: by edit, the pictures on the way; if the reconstruction is not recognised, nothing that is decoded.
        kept: whether the model gives the decoded picture the class of the picture, before anything is moved. If not,
            the decoder is too weak to show anything.
    """

    names: tuple[str, str]
    layer: str
    inject: str
    rows: pd.DataFrame
    stories: Sequence[Story]
    kept: bool

    def table(self) -> pd.DataFrame:
        """:attr:`rows`."""
        return self.rows

    def plot(self) -> Figure:
        """A strip for each edit, as the workflow draws it.

        Raises:
            ConceptrastError: the reconstruction is not recognised, so there is nothing to draw.
        """
        if not self.stories:
            raise ConceptrastError(self.weakness)
        title = f"from {short(self.names[0])} to {short(self.names[1])}"
        note = f"activations of {self.layer} are edited and decoded"
        if self.inject != self.layer:
            note = f"values of {self.inject} are edited, and activations of {self.layer} are decoded"
        return draw_counterfactual(self.stories, self.names, title, note)

    def _figure(self) -> str:
        """The strips; nothing if there is nothing to draw, which the text says."""
        return super()._figure() if self.stories else ""

    @property
    def weakness(self) -> str:
        """Why nothing is shown: the model does not recognise its class in the decoded picture."""
        starts = self.rows[(self.rows["fraction"] == 0) & (self.rows["edit"] != PASTED[0])]
        return not_recognised(float(starts["p_from_decoded"].mean()))

    def save_gif(self, path: Path | str, edit: str | None = None) -> None:
        """Write the animation of one edit.

        Args:
            path: the file.
            edit: name of the edit, e.g. ``located-hyperplane``; ``None`` means the first one.

        Raises:
            ConfigError: there is no such edit.
            ConceptrastError: the reconstruction is not recognised, so there is nothing to show.
        """
        if not self.stories:
            raise ConceptrastError(self.weakness)
        stories = {story.edit.name: story for story in self.stories}
        name = next(iter(stories)) if edit is None else edit
        if name not in stories:
            raise ConfigError(unknown_name("edit", name, stories))
        save_gif(animation(stories[name], self.names), path)

    def __str__(self) -> str:
        way = self.layer if self.inject == self.layer else f"{self.inject}, decoded at {self.layer}"
        lines = [f"{self.names[0]} to {self.names[1]} at {way}"]
        if not self.kept:
            lines.append(f"  {self.weakness}")
        for story in self.stories:
            before, after = story.decoded[[0, -1], 1]
            seen = "pasted" if story.edit.kind == PASTED[0] else "decoded"
            decoded = f"p({self.names[1]}) of the {seen} picture {before:.2f} to {after:.2f}"
            suffix = f"suffix {story.suffix[-1, 1]:.2f}, λ {story.lambdas[-1]:.2f}, {story.cells[-1]} positions"
            lines.append(f"  {story.edit.name}: {decoded}, {suffix}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Way:
    """How far a picture is moved, and how often it is decoded on the way.

    Args:
        probability: the probability of the class at which a way ends.
        limit: longest way along a direction, relative to the length of the activations.
        cells: most positions that a transplant replaces.
        frames: decoded pictures on the way.

    Raises:
        ConfigError: a number that cannot be.
    """

    probability: float = 0.9
    limit: float = 1.5
    cells: int = 4
    frames: int = 13

    def __post_init__(self) -> None:
        # Not a number is in no range.
        if not (self.frames >= 2 and self.cells >= 1 and 0 < self.limit < math.inf and 0 < self.probability < 1):
            raise ConfigError(
                f"got {self.frames} frames, {self.cells} cells, limit {self.limit:g}, "
                f"probability {self.probability:g}: needs 2 frames and 1 cell at least, a limit above 0, "
                "and a probability between 0 and 1"
            )


def trained_decoder(evidence: Evidence, options: DecoderOptions) -> Decoder:
    """Train a decoder from the study's layer back to its pictures.

    Raises:
        ModelError: the training diverges.
        LayerError: the layer's activations have no positions.
        ShapeError: the layer is as fine as the picture.
    """
    pictures = evidence.pictures
    training = TrainingPictures(pictures.dataset, pictures.table, evidence.model.preprocess, options.batch_size)
    decoder, _ = train_decoder(evidence.model, evidence.split, training, options, seed=evidence.options.seed)
    return decoder


def training_time(n_pictures: int, size: tuple[int, int], epochs: int = DEFAULTS.epochs) -> str:
    """About how long a decoder is trained, in words.

    Args:
        n_pictures: the number of pictures that it is trained on.
        size: (height, width) of the model's input.
        epochs: passes over the pictures.

    Example:
        >>> training_time(1000, (96, 96)), training_time(3925, (224, 224))
        ('about 26 s on 1000 pictures of 96×96 pixels', 'about 9 minutes on 3925 pictures of 224×224 pixels')
    """
    seconds = max(1.0, SECONDS_PER_PIXEL * n_pictures * size[0] * size[1] * epochs)
    return f"about {duration(seconds)} on {counted(n_pictures, 'pictures')} of {size[0]}×{size[1]} pixels"


def no_decoder(evidence: Evidence) -> ConfigError:
    """The error for a counterfactual without a decoder: how to train one, and how long that takes."""
    size = evidence.model.preprocess.size
    if evidence.picture_set.images is None:
        how = "open the study with pictures to learn from"
        time = f"{training_time(1000, size)}, longer for large networks"
    else:
        how = "it learns from the study's pictures"
        time = f"{training_time(len(evidence.pictures.table), size)} on two cores, longer for large networks"
    return ConfigError(
        f"a counterfactual at {evidence.layer} needs a decoder: train one with study.decoder(), {how} ({time}); "
        "or give the file of one, study.decoder('decoder.safetensors')"
    )


def move(
    evidence: Evidence,
    layer: DecodableLayer,
    picture: Image.Image | Path | str,
    target: int,
    directions: Sequence[Direction],
    way: Way,
) -> Counterfactual:
    """Edit one picture towards a class: what would have to be different, and does the model see this in the picture?

    Args:
        evidence: the evidence of the study.
        layer: the layer in which the picture is edited, and the one that is decoded.
        picture: a file, or a PIL image.
        target: class index.
        directions: further directions, beside what the pictures of the study and the gradients give.
        way: how far it goes.

    Raises:
        LayerError: a direction belongs to another layer than the one that is edited.
        ConfigError: two directions of one name (``means`` is the study's own), or the model gives the picture the class
            already.
        DataError: the file is no picture.
    """
    # What the model says of the picture.
    model = evidence.model
    names = model.class_names
    precision = evidence.options.precision
    view = model.preprocess.view(picture if isinstance(picture, Image.Image) else open_rgb(picture))
    with torch.no_grad(), autocast(precision, device_of(model)):
        seen = layer.values(network_input(model, view[None]))
        predicted = int(layer.edited.suffix(seen.activations, *seen.around).argmax())
    if predicted == target:
        raise ConfigError(f"the model says {names[target]!r} of this picture already: name another class")
    taken = {"means", NO_VECTOR}
    for direction in directions:
        if direction.name in taken:
            raise ConfigError(f"two directions are called {direction.name!r}: give each a name of its own")
        taken.add(direction.name)

    # Every edit towards the class, and the way of each.
    pair = (predicted, target)
    options = SearchOptions(way.probability, way.limit, way.cells, precision)
    donors = _donors(evidence, layer, target)
    known = PairKnowledge(donors=None if donors is None else donors.activations, directions=directions)
    edits = edits_towards(layer, [0], seen, pair=pair, known=known, seed=evidence.options.seed, options=options)
    subject = PairCounterfactuals(
        layer,
        np.zeros(1, np.int64),
        seen.activations,
        pair=pair,
        options=options,
        views=None if donors is None else PairViews(view[None], donors.views, others=view[None][:0]),
        seed=evidence.options.seed,
    )
    rows = with_names(subject.rows(edits), names)
    kept = bool(len(recognised_images(rows)))
    return Counterfactual(
        names=(names[predicted], names[target]),
        layer=layer.decoder.layer,
        inject=layer.edited.layer,
        rows=rows,
        stories=subject.stories(edits, 0, pixels(view), way.frames, recognised=kept),
        kept=kept,
    )


def decodable_layer(
    evidence: Evidence, decoder: Decoder, judge: Model | None = None, inject: str | None = None
) -> DecodableLayer:
    """The decoder's layer, and the way there from the layer that is edited.

    Args:
        evidence: the evidence of the study.
        decoder: the decoder of the layer in which pictures are edited, or of a later one.
        judge: another model of the same classes that looks at the decoded pictures.
        inject: the layer in which pictures are edited; ``None`` means the decoder's.

    Raises:
        LayerError: there is no such layer, or no way from it to the decoder's.
        ModelError: the judge has other classes.
    """
    model = evidence.model
    if inject is not None and inject != decoder.layer:
        injection = Injection(model, inject, decoder.layer)
        return DecodableLayer(model, injection.split, decoder, judge=judge, injection=injection)
    split = evidence.split if decoder.layer == evidence.layer else SplitModel(model, decoder.layer)
    return DecodableLayer(model, split, decoder, judge)


@dataclass(frozen=True)
class _Donors:
    """Pictures of the study that the model gives a class: what they give at the layer, and views ``[D, 3, H, W]``."""

    activations: LayerValues
    views: Tensor


def _donors(evidence: Evidence, layer: DecodableLayer, target: int) -> _Donors | None:
    """The study's pictures that the model gives the class, if there are any."""
    if evidence.picture_set.images is None:
        return None
    table = evidence.predictions
    images = np.sort(table.loc[table["predicted"] == target, "image"].to_numpy(np.int64))[:DONORS]
    if not len(images):
        return None
    views = evidence.pictures.stacked(images)
    precision = evidence.options.precision
    if layer.injection is not None:
        return _Donors(layer_values(layer.model, layer.injection, [(images, views)], precision), views)
    arrays = activations_of(layer.model, layer.split, [(images, views)], precision)
    return _Donors(LayerValues(torch.cat([values for _, values in arrays]).to(device_of(layer.model))), views)
