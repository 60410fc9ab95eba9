"""One picture on its way by one edit, for a strip or an animation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.search import Walk


@dataclass(frozen=True)
class Story:
    """One picture on its way by one edit.

    Args:
        edit: the edit.
        original: ``[H, W, 3]`` uint8, the picture that the model sees.
        frames: ``[F, H, W, 3]`` uint8, the decoded pictures.
        lambdas: ``[F]`` how far activations have come, relative to their length.
        cells: ``[F]`` number of positions that have changed.
        suffix: ``[F, 2]`` probabilities of A and B by the rest of the network.
        decoded: ``[F, 2]`` the same of the decoded pictures, by the whole network.
        reached: whether the model came to name the decoded picture B.
    """

    edit: Edit
    original: np.ndarray
    frames: np.ndarray
    lambdas: np.ndarray
    cells: np.ndarray
    suffix: np.ndarray
    decoded: np.ndarray
    reached: bool

    @property
    def change(self) -> np.ndarray:
        """``[H, W]`` the absolute change from the first to the last frame, averaged over colours, 0 to 1."""
        difference: np.ndarray = np.abs(self.frames[-1].astype(float) - self.frames[0]).mean(axis=-1) / 255
        return difference


def story_of(walk: Walk, edit: Edit, original: np.ndarray, pair: tuple[int, int]) -> Story:
    """The story of a walk's first picture.

    Args:
        walk: the walk of one or more pictures.
        edit: the edit of the picture.
        original: the picture ``[H, W, 3]`` uint8.
        pair: the class of the picture, and the class that it is moved towards.
    """
    frames = walk.frames[0].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()  # grey as three equal channels
    return Story(
        edit=edit,
        original=original,
        frames=frames,
        lambdas=walk.lambdas[0],
        cells=walk.cells[0],
        suffix=walk.probabilities["suffix"][0][:, list(pair)],
        decoded=walk.probabilities["decoded"][0][:, list(pair)],
        reached=bool(walk.reached[0]),
    )
