"""One image on its way along one direction, for a strip or an animation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.search import Walk


@dataclass(frozen=True)
class Story:
    """One image on its way along one direction.

    Args:
        direction: the direction of the way.
        original: ``[H, W, 3]`` uint8, the picture that the model sees.
        frames: ``[F, H, W, 3]`` uint8, the decoded pictures.
        lambdas: ``[F]`` the distances.
        suffix: ``[F, 2]`` probabilities of A and B by the rest of the network.
        decoded: ``[F, 2]`` the same of the decoded pictures, by the whole network.
        reached: whether the model came to name the decoded picture B.
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
        """``[H, W]`` the absolute change from the first to the last frame, averaged over colours, 0 to 1."""
        difference: np.ndarray = np.abs(self.frames[-1].astype(float) - self.frames[0]).mean(axis=-1) / 255
        return difference


def story_of(walk: Walk, direction: Direction, original: np.ndarray, pair: tuple[int, int]) -> Story:
    """The story of a walk's first image.

    Args:
        walk: the walk of one or more images.
        direction: the direction that the image took.
        original: the picture ``[H, W, 3]`` uint8.
        pair: the class of the image, and the class that it is moved towards.
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
