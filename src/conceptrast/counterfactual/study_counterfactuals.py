"""The counterfactuals of one pair of classes: along every direction, to both stops, beside random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.base.progress import counted, progress
from conceptrast.counterfactual.directions import Direction, random_directions
from conceptrast.counterfactual.search import (
    STOPS,
    DecodableLayer,
    Walk,
    counterfactual_rows,
    counterfactuals,
)

Directions = Mapping[str, Sequence[Direction]]
FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Story:
    """One image on its way along one direction.

    Args:
        direction: the way.
        original: ``[H, W, 3]`` uint8, what the model is shown.
        frames: ``[F, H, W, 3]`` uint8, decoded.
        lambdas: ``[F]`` how far.
        suffix: ``[F, 2]`` probabilities of A and B by the rest of the network.
        decoded: ``[F, 2]`` of the decoded pictures, by the whole network.
        found: whether the decoded picture reached B.
    """

    direction: Direction
    original: np.ndarray
    frames: np.ndarray
    lambdas: np.ndarray
    suffix: np.ndarray
    decoded: np.ndarray
    found: bool

    @property
    def change(self) -> np.ndarray:
        """``[H, W]`` mean absolute change over colours from the first to the last frame, 0 to 1."""
        difference: np.ndarray = np.abs(self.frames[-1].astype(float) - self.frames[0]).mean(axis=-1) / 255
        return difference


def story_of(way: Walk, place: int, direction: Direction, original: np.ndarray, pair: tuple[int, int]) -> Story:
    """The story of the image at ``place`` of a walk."""
    frames = way.frames[place].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()  # grey as three equal channels
    return Story(
        direction, original, frames, way.lambdas[place] * way.fractions,
        way.suffix[place][:, list(pair)], way.decoded[place][:, list(pair)], bool(way.found[place]),
    )  # fmt: skip


@dataclass(frozen=True)
class Moved:
    """Images of A, and how they are moved towards B.

    Args:
        layer: whose activations are moved.
        images: ids ``[N]``.
        activations: ``[N, C, h, w]``, on the model's device.
        pair: A and B.
        probability: of B at which a way ends.
        limit: longest way.
        seed: of the random directions.
        precision: ``float32`` or ``bfloat16``.
        batch_size: images that are moved and decoded at once.
    """

    layer: DecodableLayer
    images: np.ndarray
    activations: Tensor
    pair: tuple[int, int]
    probability: float = 0.5
    limit: float = 1.0
    seed: int = 0
    precision: str = "float32"
    batch_size: int = 64

    def rows(self, directions: Directions) -> pd.DataFrame:
        """What is said on every way, by direction and stop; random directions stand beside.

        Args:
            directions: for every kind one for each image.

        Returns:
            As :func:`~conceptrast.counterfactual.search.counterfactual_rows`.
        """
        shape = self.activations.shape[1:]
        chance = random_directions(self.layer.split.layer, shape, self.seed, self.images.tolist())
        parts = []
        kinds = [*directions.values(), *chance.values()]
        first, second = (self.layer.model.class_names[target] for target in self.pair)
        what = f"moving {counted(len(self.images), 'pictures')} of {first} towards {second}"
        for kind in progress(kinds, what, len(kinds), "directions"):
            for stop in STOPS:
                way = counterfactuals(
                    self.layer, self.activations, kind, self.pair[1], stop=stop, fractions=FRACTIONS,
                    probability=self.probability, limit=self.limit, precision=self.precision,
                    batch_size=self.batch_size,
                )  # fmt: skip
                parts.append(counterfactual_rows(self.images.tolist(), way, kind[0], self.pair, stop))
        return pd.concat(parts, ignore_index=True)

    def stories(self, directions: Directions, image: int, view: np.ndarray, frames: int) -> list[Story]:
        """The way of one image along every direction, until its decoded picture is B.

        Args:
            directions: for every kind one for each image.
            image: id of the one.
            view: ``[H, W, 3]`` uint8, the image.
            frames: decoded pictures on the way.
        """
        place = self.images.tolist().index(image)
        found = []
        for kind in directions.values():
            way = counterfactuals(
                self.layer, self.activations[place : place + 1], [kind[place]], self.pair[1],
                stop="picture", fractions=np.linspace(0, 1, frames).tolist(), probability=self.probability,
                limit=self.limit, precision=self.precision,
            )  # fmt: skip
            found.append(story_of(way, 0, kind[place], view, self.pair))
        return found


def example_image(rows: pd.DataFrame) -> int:
    """The image that figures show: neither the easiest nor the hardest, by its mean way over all directions.

    Args:
        rows: of one pair, as :meth:`Moved.rows` gives.

    Example:
        >>> rows = pd.DataFrame({"image": [4, 5, 6], "baseline": "none", "stop": "picture", "fraction": 1.0,
        ...     "lambda": [0.2, 0.7, 0.5]})
        >>> example_image(rows)
        6
    """
    ends = rows[(rows["baseline"] == "none") & (rows["stop"] == "picture") & (rows["fraction"] == 1)]
    ways = ends.groupby("image")["lambda"].mean().sort_values(kind="stable")
    return int(ways.index[(len(ways) - 1) // 2])
