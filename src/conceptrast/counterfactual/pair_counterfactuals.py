"""The counterfactuals of one pair of classes: along every direction and random ones, to both stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.base.progress import counted, progress
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.direction_kinds import STOPS
from conceptrast.counterfactual.directions import Direction, random_directions
from conceptrast.counterfactual.search import DEFAULTS, SearchOptions, counterfactuals
from conceptrast.counterfactual.story import Story, story_of
from conceptrast.counterfactual.table import counterfactual_rows

Directions = Mapping[str, Sequence[Direction]]


@dataclass(frozen=True)
class PairCounterfactuals:
    """Images of A, and how they are moved towards B.

    Args:
        layer: the layer whose activations are moved.
        images: the ids ``[N]`` of the images.
        activations: ``[N, C, h, w]``, on the model's device.
        pair: A and B.
        seed: the seed of the random directions.
        options: how images are moved, and how far.
    """

    layer: DecodableLayer
    images: np.ndarray
    activations: Tensor
    pair: tuple[int, int]
    seed: int = 0
    options: SearchOptions = DEFAULTS

    def rows(self, directions: Directions) -> pd.DataFrame:
        """What both networks say on every way, by direction and stop, beside random directions.

        Args:
            directions: for every kind of direction, one direction for each image.

        Returns:
            The rows of :func:`~conceptrast.counterfactual.table.counterfactual_rows`.
        """
        # The directions, and random directions beside them.
        shape = self.activations.shape[1:]
        images = self.images.tolist()
        chance = random_directions(self.layer.split.layer, shape, self.seed, images)
        parts = []
        kinds = [*directions.values(), *chance.values()]
        # The way along each direction, to either stop.
        first, second = (self.layer.model.class_names[target] for target in self.pair)
        what = f"moving {counted(len(images), 'pictures')} of {first} towards {second}"
        walks = {
            stop: counterfactuals(
                self.layer,
                self.activations,
                kinds,
                self.pair[1],
                stop=stop,
                options=self.options,
            )
            for stop in progress(STOPS, what, len(STOPS), "stops")
        }
        for number, kind in enumerate(kinds):
            for stop in STOPS:
                parts.append(
                    counterfactual_rows(
                        images,
                        walks[stop][number],
                        direction=kind[0],
                        pair=self.pair,
                        stop=stop,
                    )
                )
        return pd.concat(parts, ignore_index=True)

    def stories(self, directions: Directions, image: int, view: np.ndarray, frames: int) -> list[Story]:
        """The way of one image along every direction, until the model names its decoded picture B.

        Args:
            directions: for every kind of direction, one direction for each image.
            image: the id of the image.
            view: ``[H, W, 3]`` uint8, the image.
            frames: the number of decoded pictures on the way.
        """
        place = self.images.tolist().index(image)
        kinds = [[kind[place]] for kind in directions.values()]
        if not kinds:
            return []
        walks = counterfactuals(
            self.layer,
            self.activations[place : place + 1],
            kinds,
            self.pair[1],
            stop="picture",
            fractions=np.linspace(0, 1, frames).tolist(),
            options=self.options,
        )
        return [story_of(walk, direction, view, self.pair) for walk, [direction] in zip(walks, kinds, strict=True)]


def example_image(rows: pd.DataFrame) -> int:
    """The image for the figures: by its mean way over all directions, neither the easiest nor the hardest.

    Args:
        rows: the rows of one pair, as :meth:`PairCounterfactuals.rows` gives.

    Example:
        >>> rows = pd.DataFrame({"image": [4, 5, 6], "baseline": "none", "stop": "picture", "fraction": 1.0,
        ...     "lambda": [0.2, 0.7, 0.5]})
        >>> example_image(rows)
        6
    """
    ends = rows[(rows["baseline"] == "none") & (rows["stop"] == "picture") & (rows["fraction"] == 1)]
    ways = ends.groupby("image")["lambda"].mean().sort_values(kind="stable")
    return int(ways.index[(len(ways) - 1) // 2])
