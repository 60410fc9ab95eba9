"""A decoder for one's own pictures, and the counterfactual of one picture, from Python.

The same functions as the workflow's steps, in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from conceptrast.api.explain import as_model
from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.base.names import short
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import Decoder
from conceptrast.counterfactual.decoder_training import DEFAULTS, DecoderOptions, train_decoder
from conceptrast.counterfactual.direction_kinds import RANDOM_DIRECTIONS
from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals
from conceptrast.counterfactual.pair_directions import directions_towards
from conceptrast.counterfactual.search import SearchOptions
from conceptrast.counterfactual.story import Story
from conceptrast.counterfactual.table import with_names
from conceptrast.data.decoding import open_rgb
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.counterfactual import draw_counterfactual
from conceptrast.figures.counterfactual_animation import animation, save_gif
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel
from conceptrast.models.training_pictures import TrainingPictures


def decoder_of(
    model: Model | nn.Module,
    images: AnyPictures,
    layer: str,
    options: DecoderOptions = DEFAULTS,
    *,
    seed: int = 0,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> Decoder:
    """Train a decoder from a layer of a model back to pictures.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index.
        layer: whose activations are decoded, e.g. ``layer3``.
        options: how to train.
        seed: of the initial weights and the order of the pictures.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Raises:
        ModelError: a bare network without ``preprocess``, or a training that diverges.
        LayerError: there is no such layer, or its activations have no positions.
        ShapeError: the layer is as fine as the picture.
        DataError: no usable picture.

    Source: see :mod:`conceptrast.counterfactual.decoder`.

    Example:
        >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> pictures = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        >>> decoder = decoder_of(network, pictures, "1", DecoderOptions(epochs=1, batch_size=2, width=16),
        ...     preprocess=Preprocess(16, 16, (0.0,) * 3, (1.0,) * 3))
        >>> decoder(torch.zeros(1, 3, 4, 4)).shape
        torch.Size([1, 3, 16, 16])
    """
    whole = as_model(model, preprocess, class_names)
    dataset, table = as_dataset(images)
    pictures = TrainingPictures(dataset, table, whole.preprocess, options.batch_size)
    return train_decoder(whole, SplitModel(whole, layer), pictures, options, seed=seed)[0]


@dataclass(frozen=True)
class Counterfactual:
    """What :func:`counterfactual_of` found.

    Attributes:
        names: of the class that the model gives the picture, and of the one that it is moved towards.
        layer: whose activations are moved.
        rows: direction, stop, baseline, lambda, and what the suffix and, of the decoded picture, the whole model say.
        stories: by direction, the decoded pictures on the way.
        kept: whether the model gives the decoded picture, before it is moved, the class of the picture. If not, the
            decoder is too weak for what follows to mean anything.
    """

    names: tuple[str, str]
    layer: str
    rows: pd.DataFrame
    stories: Sequence[Story]
    kept: bool

    def table(self) -> pd.DataFrame:
        """:attr:`rows`."""
        return self.rows

    def plot(self) -> Figure:
        """A strip along each direction, as the workflow draws it."""
        title = f"from {short(self.names[0])} to {short(self.names[1])}"
        return draw_counterfactual(
            self.stories, self.names, title, f"activations of {self.layer} are moved and decoded"
        )

    def save_gif(self, path: Path | str, direction: str = "latent_shift") -> None:
        """Write the animation along one direction.

        Raises:
            ConfigError: there is no such direction.
        """
        stories = {story.direction.name: story for story in self.stories}
        if direction not in stories:
            raise ConfigError(unknown_name("direction", direction, stories))
        save_gif(animation(stories[direction], self.names), path)

    def __str__(self) -> str:
        lines = [f"{self.names[0]} to {self.names[1]} at {self.layer}"]
        if not self.kept:
            lines.append(
                f"  the decoded picture is not named {self.names[0]}: the decoder is too weak to show anything"
            )
        for story in self.stories:
            said = f"p({self.names[1]}) of the decoded picture {story.decoded[0, 1]:.2f} to {story.decoded[-1, 1]:.2f}"
            lines.append(
                f"  {story.direction.name}: {said}, suffix {story.suffix[-1, 1]:.2f}, λ {story.lambdas[-1]:.2f}"
            )
        return "\n".join(lines)


def counterfactual_of(
    model: Model | nn.Module,
    decoder: Decoder,
    image: Path | str | Image.Image,
    target: str | int,
    directions: Sequence[Direction] = (),
    *,
    probability: float = 0.5,
    limit: float = 1.0,
    frames: int = 13,
    seed: int = 0,
    precision: str = "float32",
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> Counterfactual:
    """Move one picture towards a class: what would have to be different, and does the model see it in the picture?

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        decoder: of the layer in which the picture is moved.
        image: a file, or a PIL image.
        target: the class that it is moved towards, by name or index.
        directions: beside the gradient of the class's log probability and the latent shift, which are always tried:
            CAVs, components, normals of hyperplanes; each with a name of its own.
        probability: of the class at which a way ends.
        limit: longest way, relative to the length of the activations.
        frames: decoded pictures on the way.
        seed: of the random directions that stand beside.
        precision: ``float32`` or ``bfloat16``.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Raises:
        ModelError: a bare network without ``preprocess``.
        LayerError: a direction belongs to another layer than the decoder.
        ConfigError: a number that cannot be, an unknown class or precision, two directions of one name, or the model
            gives the picture the class already.
        DataError: the file is no picture.

    Source: see :mod:`conceptrast.counterfactual.search`.

    Example:
        >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> how = {"preprocess": Preprocess(16, 16, (0.0,) * 3, (0.1,) * 3), "class_names": ["red", "green", "blue"]}
        >>> pictures = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        >>> decoder = decoder_of(network, pictures, "1", DecoderOptions(epochs=1, batch_size=2, width=16), **how)
        >>> found = counterfactual_of(network, decoder, pictures[0], "blue", **how)
        >>> found.names, [story.direction.name for story in found.stories]
        (('red', 'blue'), ['gradient', 'latent_shift'])
    """
    if frames < 2 or limit <= 0 or not 0 < probability < 1:
        got = f"frames {frames}, limit {limit:g}, probability {probability:g}"
        raise ConfigError(f"got {got}: needs 2 frames at least, a limit above 0 and a probability between 0 and 1")
    whole = as_model(model, preprocess, class_names)
    index, split = whole.class_index(target), SplitModel(whole, decoder.layer)
    decodable = DecodableLayer(whole, split, decoder)
    picture = image if isinstance(image, Image.Image) else open_rgb(image)
    view = whole.preprocess.view(picture)
    with torch.inference_mode(), autocast(precision, device_of(whole)):
        activations = split.prefix(network_input(whole, view[None])).float()
        said = int(split.suffix(activations).argmax())
    if said == index:
        raise ConfigError(f"the model says {whole.class_names[index]!r} of this picture already: name another class")
    subject = PairCounterfactuals(
        layer=decodable,
        images=np.zeros(1, np.int64),
        activations=activations,
        pair=(said, index),
        seed=seed,
        options=SearchOptions(probability=probability, limit=limit, precision=precision),
    )
    tried = directions_towards(decodable, activations, (said, index), precision=precision)
    for each in directions:
        if each.name in (*tried, *RANDOM_DIRECTIONS):
            raise ConfigError(f"two directions are called {each.name!r}: give each a name of its own")
        tried[each.name] = [each]
    names = whole.class_names
    rows = with_names(subject.rows(tried), names)
    return Counterfactual(
        (names[said], names[index]), decoder.layer, rows, subject.stories(tried, 0, pixels(view), frames),
        bool(rows.loc[rows["fraction"] == 0, "predicted_decoded"].eq(said).all()),
    )  # fmt: skip
