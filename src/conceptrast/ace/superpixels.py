"""Superpixels of a picture in several sizes, and each superpixel as an input for a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from skimage.segmentation import slic
from torch import Tensor

from conceptrast.base.errors import ConfigError, unknown_name

#: How a segment becomes an input: enlarged to the whole input, or left in its place.
SHAPES = ("resized", "in_place")
#: Settings of SLIC: the weight of place against colour, and the Gaussian blur before it, in pixels.
COMPACTNESS = 20.0
SIGMA = 1.0
#: Two segments are nearly the same if their Jaccard index is above this.
JACCARD = 0.5
#: A segment must hold at least this share of the picture.
SMALLEST = 0.001


def superpixels(picture: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    r"""Segments of one colour and one place, at several sizes. If two are nearly the same, the first is kept.

    SLIC runs once for every number of segments, with compactness 20 and a Gaussian of one pixel. A segment is dropped
    if its Jaccard index with an earlier one is above 0.5, or if it holds less than a thousandth of the picture.

    .. math:: J(s, t) = \frac{|s \cap t|}{|s \cup t|}

    Args:
        picture: ``[H, W, 3]`` uint8.
        sizes: the approximate numbers of segments; the picture is cut once for each number.

    Returns:
        Masks ``[S, H, W]`` bool, in the order of ``sizes``. A picture of one colour has no segments (``S = 0``; SLIC
        would give it a grid). If fewer than two segments are found, the picture has none either: there is nothing to
        tell apart.

    Source: Ghorbani et al. 2019 (arXiv 1902.03129), section 3 and appendix A: 15, 50 and 80 segments of a picture of
    299 pixels. SLIC: Achanta et al. 2012.

    Example:
        >>> picture = np.zeros((32, 32, 3), np.uint8)
        >>> picture[:, 16:] = 255
        >>> [len(superpixels(picture, sizes)) for sizes in ([4], [4, 4])], len(superpixels(picture * 0, [4]))
        ([4, 4], 0)
    """
    kept = np.empty((0, *picture.shape[:2]), bool)
    if (picture == picture[0, 0]).all():
        return kept
    for size in sizes:
        labels = slic(picture, n_segments=size, compactness=COMPACTNESS, sigma=SIGMA, start_label=0)
        masks = labels == np.arange(labels.max() + 1)[:, None, None]
        masks = masks[masks.mean(axis=(1, 2)) >= SMALLEST]
        kept = np.concatenate([kept, masks[~(_jaccard(masks, kept) > JACCARD).any(axis=1)]])
    return kept if len(kept) > 1 else kept[:0]


def segment_views(view: Tensor, masks: np.ndarray, fill: Sequence[float], shape: str) -> Tensor:
    """Every segment as its own view, on a background of one colour.

    Args:
        view: ``[C, H, W]`` uint8, of one channel or three.
        masks: ``[S, H, W]`` bool.
        fill: the colour of the background, 0 to 1 for each channel.
        shape: ``resized`` enlarges the segment's box to the whole view (bicubic, as published); ``in_place`` keeps the
            segment's size and place.

    Returns:
        ``[S, C, H, W]`` uint8.

    Raises:
        ConfigError: there is no such shape.

    Example:
        >>> view = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
        >>> mask = np.array([[[True, False], [False, False]]])
        >>> segment_views(view, mask, (1.0, 1.0, 1.0), "in_place")[0, 0].tolist()
        [[0, 255], [255, 255]]
        >>> segment_views(view, mask, (1.0, 1.0, 1.0), "resized")[0, 2].tolist()
        [[8, 8], [8, 8]]
    """
    if shape not in SHAPES:
        raise ConfigError(unknown_name("shape of segments", shape, SHAPES))
    colour = torch.tensor(fill).mul(255).round().to(torch.uint8).view(-1, 1, 1)
    alone = torch.where(torch.from_numpy(masks)[:, None], view, colour)
    return alone if shape == "in_place" else torch.stack([_enlarged(*pair) for pair in zip(alone, masks, strict=True)])


def _enlarged(alone: Tensor, mask: np.ndarray) -> Tensor:
    """The box of a mask, enlarged to the whole view."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = alone[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = mask.shape
    picture = Image.fromarray(box.expand(3, -1, -1).permute(1, 2, 0).numpy())  # grey as three equal channels
    whole = torch.from_numpy(np.array(picture.resize((width, height), Image.Resampling.BICUBIC)))
    return whole.permute(2, 0, 1)[: len(box)]


def _jaccard(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Jaccard index of each mask ``[n, H, W]`` with each other one ``[m, H, W]``: ``[n, m]``."""
    first, second = (group.reshape(len(group), group[0].size if len(group) else 0) for group in (masks, others))
    if not len(second):
        return np.empty((len(first), 0))
    shared = first.astype(np.float32) @ second.astype(np.float32).T
    return shared / (first.sum(1)[:, None] + second.sum(1) - shared)
