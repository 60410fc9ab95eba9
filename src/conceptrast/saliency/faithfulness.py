r"""Faithfulness: a map points at some pixels; does the network change its answer when they are taken away?

Notation: ``x`` a normalised picture ``[C, H, W]``, ``M`` its map ``[H, W]``, ``p`` the probability of its target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ConfigError, DataError, ModelError, ShapeError
from conceptrast.base.streams import Stream, generator
from conceptrast.models.inference import device_of
from conceptrast.models.model import Model
from conceptrast.saliency.blur import blurred
from conceptrast.saliency.road import road_pictures
from conceptrast.saliency.targets import Target, refuse_targets


@dataclass(frozen=True)
class FaithfulnessOptions:
    """How many pixels are taken away, and in what order.

    Args:
        percentiles: the shares for ROAD, in percent of the pixels.
        steps: the number of equal shares that insertion and deletion take, beside both ends.
        seed: the seed of the order of equal values and of the noise. An image's draws depend only on the seed, its
            number and the share.
        first: the number of the first image, if these are some of many.
        batch_size: the number of pictures that the model sees at once.

    Raises:
        ConfigError: a percentile is not between 0 and 100, or ``steps`` is not positive.
    """

    percentiles: Sequence[int] = (20, 50, 80)
    steps: int = 10
    seed: int = 0
    first: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not self.percentiles or not all(0 < percentile < 100 for percentile in self.percentiles):
            raise ConfigError(f"percentiles are {list(self.percentiles)}: ROAD needs some, each between 0 and 100")
        if self.steps < 1:
            raise ConfigError(f"steps is {self.steps}: insertion and deletion need at least one")


DEFAULTS = FaithfulnessOptions()


def faithfulness(
    model: Model,
    images: Tensor,
    maps: np.ndarray,
    targets: Sequence[Target],
    options: FaithfulnessOptions = DEFAULTS,
) -> pd.DataFrame:
    """The probability of the target as pixels are taken away or put in, in the order of a map.

    ``road_most`` and ``road_least`` take away the most or the least relevant pixels and put in what their neighbours
    suggest, with a little noise. ``deletion`` sets the most relevant ones to 0 in normalised units, the mean colour.
    ``insertion`` puts the most relevant ones into the blurred picture. Pixels are ranked by value, and equal pixels in
    a random order. So exactly the given share is removed. A map that is the same everywhere removes pixels at random.
    The most and the least relevant pixels never overlap while each is at most half of all.

    Args:
        model: the classifier.
        images: ``[N, C, H, W]``, normalised, on any device.
        maps: ``[N, H, W]``; only the order of a map's values counts.
        targets: one target for each image.
        options: how many pixels are taken away, and in what order.

    Returns:
        position (0 to N - 1), flat (the map is the same everywhere), metric (``road_most``, ``road_least``,
        ``deletion``, ``insertion``), share (of the pixels, 0 to 1, that are taken away or put in), score
        (:meth:`Target.probability <conceptrast.saliency.targets.Target.probability>`).

    Raises:
        ShapeError: maps or targets do not fit the images.
        ConfigError: there is no such class.
        DataError: a map has a value that is not finite.
        ModelError: the model gives a logit that is not a number.

    Source: ROAD, Rong et al. 2022, arXiv 2202.00449; insertion and deletion, Petsiuk et al. 2018, arXiv 1806.07421.
    Their blur, a kernel of 11 pixels at 224, leaves many pictures recognisable: with it the photographed cat keeps its
    class with probability 0.42, and without any blur it has 0.38. Our blur is Gaussian, with a standard deviation of a
    twentieth of the short side.

    Example:
        >>> from conceptrast.models.model import Preprocess
        >>> network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> model = Model("colours", network, Preprocess(None, 2, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
        >>> image = torch.zeros(1, 3, 2, 2)
        >>> image[0, 0, 0] = 4.0
        >>> rows = faithfulness(model, image, np.array([[[1.0, 0.9], [0.0, 0.1]]]), [Target(0)],
        ...     FaithfulnessOptions(steps=2))
        >>> rows.loc[rows["metric"] == "deletion", ["share", "score"]].round(3)
           share  score
        6    0.0  0.787
        7    0.5  0.333
        8    1.0  0.333
    """
    _refuse_unfit(model, images, maps, targets)
    device = device_of(model)
    rows = []
    changed = _changed_pictures(images.detach().cpu().numpy(), maps, options)
    with torch.inference_mode():
        while batch := list(islice(changed, options.batch_size)):
            pictures = torch.from_numpy(np.stack([picture for _, picture in batch])).to(device)
            logits = model.module(pictures.contiguous(memory_format=torch.channels_last)).double()
            for (row, _), picture_logits in zip(batch, logits, strict=True):
                score = float(targets[row["position"]].probability(picture_logits))
                if not np.isfinite(score):
                    raise ModelError(f"{model.name} gives logits that are not finite for image {row['position']}")
                rows.append(row | {"score": score})
    return pd.DataFrame(rows, columns=["position", "flat", "metric", "share", "score"])


def _refuse_unfit(model: Model, images: Tensor, maps: np.ndarray, targets: Sequence[Target]) -> None:
    if images.ndim != 4 or maps.shape != (len(images), *images.shape[2:]):
        raise ShapeError(f"images [N, C, H, W] need maps [N, H, W]; got {list(images.shape)} and {list(maps.shape)}")
    refuse_targets(targets, len(images), len(model.class_names))
    if not np.isfinite(maps).all():
        raise DataError("a map has values that are not finite: nothing ranks its pixels")


def _changed_pictures(
    images: np.ndarray, maps: np.ndarray, options: FaithfulnessOptions
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Every changed picture, with its row of the table."""
    for position, (image, values) in enumerate(zip(images, maps, strict=True)):
        number = options.first + position
        head = {"position": position, "flat": bool(values.min() == values.max())}
        rank = relevance_rank(values, generator(Stream.EQUAL_VALUES, options.seed, number))
        # ROAD.
        for metric, share, picture in road_pictures(image, rank, options.percentiles, options.seed, number=number):
            yield head | {"metric": metric, "share": share}, picture
        # Deletion and insertion.
        for metric, start, end in (("deletion", image, np.zeros_like(image)), ("insertion", blurred(image), image)):
            for step in range(options.steps + 1):
                changed = rank < round(rank.size * step / options.steps)
                yield head | {"metric": metric, "share": step / options.steps}, np.where(changed, end, start)


def relevance_rank(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The rank of every pixel, 0 for the most relevant one. Equal values get a random order.

    Args:
        values: ``[H, W]``.
        draw: the random generator for the order of equal values.

    Returns:
        ``[H, W]`` int64, every number from 0 to H · W - 1 once.

    Example:
        >>> relevance_rank(np.array([[0.5, 0.0], [0.1, 0.9]]), np.random.default_rng(0))
        array([[1, 3],
               [2, 0]])
    """
    order = np.lexsort((draw.permutation(values.size), -values.ravel()))
    rank = np.empty(values.size, dtype=np.int64)
    rank[order] = np.arange(values.size)
    return rank.reshape(values.shape)
