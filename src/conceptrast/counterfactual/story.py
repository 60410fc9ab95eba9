"""One image on its way along one direction: what a strip and an animation show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.search import Walk


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
        reached: whether the decoded picture became B.
    """

    direction: Direction
    original: np.ndarray
    frames: np.ndarray
    lambdas: np.ndarray
    suffix: np.ndarray
    decoded: np.ndarray
    reached: bool

    @property
    def change(self) -> np.ndarray:
        """``[H, W]`` mean absolute change over colours from the first to the last frame, 0 to 1."""
        difference: np.ndarray = np.abs(self.frames[-1].astype(float) - self.frames[0]).mean(axis=-1) / 255
        return difference


def story_of(walk: Walk, direction: Direction, original: np.ndarray, pair: tuple[int, int]) -> Story:
    """The story of a walk's first image.

    Args:
        walk: of one image or more.
        direction: that the image took.
        original: the picture ``[H, W, 3]`` uint8.
        pair: class that it is taken from, class that it is moved towards.
    """
    frames = walk.frames[0].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()  # grey as three equal channels
    return Story(
        direction=direction,
        original=original,
        frames=frames,
        lambdas=walk.lambdas[0] * walk.fractions,
        suffix=walk.suffix[0][:, list(pair)],
        decoded=walk.decoded[0][:, list(pair)],
        reached=bool(walk.reached[0]),
    )
