"""Segments of many images, and a layer's activations for each. Only one image is in memory at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from conceptrast.ace.superpixels import segment_views, superpixels
from conceptrast.base.progress import progress
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

LOGGER = logging.getLogger("conceptrast")

Labels = Callable[[int, np.ndarray], Sequence[str]]
"""A function that names the things that the segments ``[S, H, W]`` of an image show."""


@dataclass(frozen=True)
class Segments:
    """Segments of some images.

    Args:
        table: image, segment (its number among the image's :func:`~conceptrast.ace.superpixels.superpixels`), and
            ``shows`` if that is known; row ``s`` is segment ``s``.
        activations: the activations by shape (``resized``, ``in_place``) ``[S, C]`` float32.
        bare: the images without superpixels.
    """

    table: pd.DataFrame
    activations: Mapping[str, np.ndarray]
    bare: Sequence[int] = ()

    def of(self, images: np.ndarray) -> Segments:
        """The segments of some images.

        Args:
            images: ids ``[N]``.
        """
        rows = self.table["image"].isin(images).to_numpy()
        activations = {shape: values[rows] for shape, values in self.activations.items()}
        ids = set(np.asarray(images).tolist())
        return Segments(
            table=self.table[rows].reset_index(drop=True),
            activations=activations,
            bare=[image for image in self.bare if image in ids],
        )


def segments_of(
    pictures: Pictures,
    split: SplitModel,
    images: np.ndarray,
    sizes: Sequence[int],
    shapes: Sequence[str],
    precision: str = "float32",
    labels: Labels | None = None,
) -> Segments:
    """Cut images into superpixels and run each through the prefix.

    Args:
        pictures: the images and the model.
        split: the model, cut at the layer.
        images: ids ``[N]``.
        sizes: the numbers of superpixels, see :func:`~conceptrast.ace.superpixels.superpixels`.
        shapes: how segments become inputs, see :func:`~conceptrast.ace.superpixels.segment_views`. The area around a
            segment gets the model's mean colour, which is zero in normalised space.
        precision: the precision of the prefix.
        labels: the function that says what segments show; ``None`` if that is not known.

    Returns:
        The segments. Activations are averaged over positions. A segment in its place is averaged only over the
        positions that it covers, because the rest is one colour; the weight of a position is the share of its rectangle
        that the segment covers. An image without superpixels is listed and logged.
    """
    rows: list[dict[str, object]] = []
    parts: dict[str, list[np.ndarray]] = {shape: [] for shape in shapes}
    bare = []
    split = split.for_inference(precision)
    # Superpixels, the things that they show, and their activations, one image after the other.
    for image, view in _one_by_one(pictures, images):
        masks = superpixels(view.expand(3, -1, -1).permute(1, 2, 0).numpy(), sizes)
        if not len(masks):
            bare.append(image)
            LOGGER.warning("image %d has no superpixels (one colour, or one segment): it is left out", image)
            continue
        things = {} if labels is None else {"shows": labels(image, masks)}
        rows += [
            {"image": image, "segment": number, **{key: values[number] for key, values in things.items()}}
            for number in range(len(masks))
        ]
        for shape in shapes:
            parts[shape].append(_activations(pictures, split, view=view, masks=masks, shape=shape, precision=precision))

    # All images together.
    columns = ["image", "segment"] + (["shows"] if labels is not None else [])
    table = pd.DataFrame(rows, columns=columns)
    activations = {
        shape: np.concatenate(of_shape) if of_shape else np.empty((0, 0)) for shape, of_shape in parts.items()
    }
    return Segments(table=table, activations=activations, bare=bare)


def pooled(activations: Tensor, masks: Tensor | None = None) -> Tensor:
    r"""The mean over positions. The weight of a position is the share of its rectangle that a mask covers.

    .. math:: \bar a_{sc} = \frac{\sum_p m_{sp} a_{scp}}{\sum_p m_{sp}}

    Args:
        activations: ``[S, C, h, w]``.
        masks: ``[S, H, W]`` bool; ``None`` gives all positions the same weight.

    Returns:
        ``[S, C]``.

    Example:
        >>> activations = torch.tensor([[[[1.0, 3.0]]]])
        >>> pooled(activations).item(), pooled(activations, torch.tensor([[[False, False, True, False]]])).item()
        (2.0, 3.0)
    """
    if masks is None:
        return activations.mean((2, 3))
    shares = adaptive_avg_pool2d(masks[:, None].float(), (activations.shape[2], activations.shape[3]))
    return (activations * shares).sum((2, 3)) / shares.sum((2, 3))


def _one_by_one(pictures: Pictures, images: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    pairs = (pair for ids, batch in pictures.of(images) for pair in zip(map(int, ids), batch, strict=True))
    yield from progress(pairs, "cutting into superpixels", len(images), "pictures")


def _activations(
    pictures: Pictures, split: SplitModel, view: Tensor, masks: np.ndarray, shape: str, precision: str
) -> np.ndarray:
    """The activations ``[S, C]`` of one image's segments."""
    model = pictures.model
    alone = segment_views(view, masks, model.preprocess.mean, shape)
    batches = zip(
        np.array_split(np.arange(len(alone)), -(-len(alone) // pictures.batch_size)),
        alone.tensor_split(-(-len(alone) // pictures.batch_size)),
        strict=True,
    )
    parts = [
        pooled(activations, torch.from_numpy(masks[rows]) if shape == "in_place" else None)
        for rows, activations in activations_of(model, split, batches, precision)
    ]
    return torch.cat(parts).numpy()
