"""Class activation maps of the subjects of a view, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.models.inference import network_input
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.saliency.grad_cam import maps_by_method
from conceptrast.saliency.subjects import targets_of


def subject_batches(pictures: Pictures, subjects: pd.DataFrame, what: str = "") -> Iterator[tuple[slice, Tensor]]:
    """The images of subjects, batch by batch. An image with several subjects comes once for each.

    Args:
        pictures: the images and the model.
        subjects: rows image.
        what: what is being done, for the progress display.

    Returns:
        The places of the batch's subjects, and their images ``[n, C, H, W]`` as the network takes them.
    """
    start = 0
    for images, views in pictures.of(subjects["image"].to_numpy(np.int64), what):
        yield slice(start, start + len(images)), network_input(pictures.model, views)
        start += len(images)


def subject_maps(
    pictures: Pictures, split: SplitModel, subjects: pd.DataFrame, methods: Sequence[str], seed: int = 0
) -> dict[str, np.ndarray]:
    """Maps of all subjects by every method, always in float32.

    Args:
        pictures: the images and the model.
        split: the model, cut at the layer.
        subjects: rows image, toward, versus, as :func:`conceptrast.saliency.subjects.usable` gives them.
        methods: names of :data:`conceptrast.saliency.METHODS`.
        seed: the seed of the methods that draw.

    Returns:
        ``[n, H, W]`` float32 in [0, 1] by method, in the order of the subjects.

    Raises:
        LayerError, ConfigError, ShapeError, ModelError: as
            :func:`~conceptrast.saliency.grad_cam.class_activation_maps` does.
    """
    parts = {method: [np.empty((0, *pictures.model.preprocess.size), np.float32)] for method in methods}
    for place, images in subject_batches(pictures, subjects, "looking where the model looks"):
        maps = maps_by_method(split, images, targets_of(subjects.iloc[place]), methods, seed=seed)
        for method in methods:
            parts[method].append(maps[method])
    return {method: np.concatenate(maps) for method, maps in parts.items()}


@torch.inference_mode()
def without_activations(pictures: Pictures, split: SplitModel, subjects: pd.DataFrame) -> np.ndarray:
    """Find the subjects whose pictures have only zero activations. They cannot have a map.

    Args:
        pictures: the images and the model.
        split: the model, cut at the layer.
        subjects: rows image.

    Returns:
        ``[n]`` bool.
    """
    parts = [~split.prefix(images).flatten(1).any(1).cpu().numpy() for _, images in subject_batches(pictures, subjects)]
    return np.concatenate([np.empty(0, bool), *parts])


@torch.inference_mode()
def target_probabilities(pictures: Pictures, subjects: pd.DataFrame) -> np.ndarray:
    """The probability of each subject's target: of A, or of A as if only A and B were possible.

    Args:
        pictures: the images and the model.
        subjects: rows image, toward, versus.

    Returns:
        ``[n]``, 0 to 1.
    """
    parts = []
    for place, images in subject_batches(pictures, subjects):
        logits = pictures.model.module(images).float().cpu()
        targets = targets_of(subjects.iloc[place])
        parts += [float(target.probability(row)) for target, row in zip(targets, logits, strict=True)]
    return np.array(parts)


@torch.inference_mode()
def grid_of(pictures: Pictures, layer: str) -> tuple[int, int]:
    """Rows and columns of a layer's positions, for pictures of the size that the model takes."""
    blank = torch.zeros(1, pictures.model.preprocess.channels, *pictures.model.preprocess.size, dtype=torch.uint8)
    height, width = SplitModel(pictures.model, layer).prefix(network_input(pictures.model, blank)).shape[2:]
    return height, width
