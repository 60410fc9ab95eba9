r"""The mask test: we hide the places of A's images that lie deepest on A's side of the hyperplane; does B appear?

Notation: ``d`` signed distances ``[N, h, w]`` of the positions of A's images, negative on A's side. A place is the
rectangle of the image that belongs to a position of the grid.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from conceptrast.base.errors import ShapeError
from conceptrast.base.progress import progress
from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.contrast.pairs import Pair
from conceptrast.data.view_pixels import pixels
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

LOGGER = logging.getLogger("conceptrast")
STEPS = 10
FIGURE_STEPS = (0, 1, 2, 3, 5, 7, 9)
"""The steps of the mask test that a figure shows."""


@dataclass(frozen=True)
class MaskOptions:
    """How places are hidden.

    Args:
        fill: the value of hidden pixels, in normalised units.
        steps: the number of steps. Each hides an equal share of all places more; step 0 hides nothing, the last hides
            everything.
        seed: the seed of the random order.
        precision: the precision of the network, ``float32`` or ``bfloat16``; the softmax is float64.
        batch_size: the number of images that run at once.
    """

    fill: float = 1.0
    steps: int = STEPS
    seed: int = 0
    precision: str = "float32"
    batch_size: int = 64


@dataclass(frozen=True)
class MaskTest:
    """The mask test of one pair.

    Attributes:
        pair: A and B.
        rows: baseline (``none`` or ``random_order``), share (of places hidden), p_from, p_to (means over A's images).
        image: the example image: the one that lies deepest on A's side.
        ranks: ``[h, w]`` the ranks of the example's positions in the order in which all positions are hidden.
        positions: the number of positions of all images together.
    """

    pair: Pair
    rows: pd.DataFrame
    image: int
    ranks: np.ndarray
    positions: int


def ranks_by_distance(distances: np.ndarray) -> np.ndarray:
    """Rank the positions of all images together, deepest on A's side first.

    Args:
        distances: ``[N, h, w]``.

    Returns:
        The ranks ``[N, h, w]`` int64, 0 to ``N h w - 1``; ties go to the lower image, row and column.

    Example:
        >>> ranks_by_distance(np.array([[[0.5, -2.0]], [[-1.0, 3.0]]])).tolist()
        [[[2, 0]], [[1, 3]]]
    """
    return _ranks(np.argsort(distances, axis=None, kind="stable"), distances.shape)


def random_ranks(shape: tuple[int, ...], seed: int, pair: tuple[int, int]) -> np.ndarray:
    """The chance order: a random order of the positions, drawn for each pair.

    Args:
        shape: ``[N, h, w]``.
        seed: the seed of the order.
        pair: A and B.

    Returns:
        The rank of every position in that order, from 0, in the given shape.

    Example:
        >>> sorted(random_ranks((1, 2, 2), seed=0, pair=(0, 1)).ravel().tolist())
        [0, 1, 2, 3]
    """
    return _ranks(generator(Stream.HIDING_ORDER, seed, *pair).permutation(int(np.prod(shape))), shape)


def _ranks(order: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(order.size)
    return ranks.reshape(shape)


def hidden_places(ranks: np.ndarray, share: float, total: int, size: tuple[int, int]) -> Tensor:
    """The pixels of images that are hidden: their place is among the first of the common order.

    Args:
        ranks: ``[n, h, w]`` the ranks of these images' positions among all positions.
        share: the share of all positions that is hidden, 0 to 1.
        total: the number of positions of all images.
        size: ``(H, W)`` of the images.

    Returns:
        ``[n, 1, H, W]`` bool.

    Example:
        >>> hidden_places(np.array([[[0, 1]]]), share=0.5, total=2, size=(1, 4)).tolist()
        [[[[True, True, False, False]]]]
    """
    return _pixels_of(ranks < round(share * total), size)


def _pixels_of(hidden: np.ndarray, size: tuple[int, int]) -> Tensor:
    """The pixels ``[n, 1, H, W]`` of hidden positions ``[n, h, w]``."""
    return interpolate(torch.from_numpy(hidden)[:, None].float(), size, mode="nearest") > 0.5


@torch.inference_mode()
def masked_probabilities(
    model: Model, images: Tensor, ranks: np.ndarray, classes: Sequence[int], options: MaskOptions
) -> np.ndarray:
    """The mean probabilities of classes while more and more places are hidden.

    Steps that leave an image as it was are not run again. Hidden as a whole, all images are the same picture.

    Args:
        model: the whole network.
        images: ``[N, 3, H, W]`` normalised.
        ranks: ``[N, h, w]`` the order in which places are hidden.
        classes: the classes whose probabilities are wanted, ``[K]``.
        options: fill, steps, precision, batch size.

    Returns:
        ``[options.steps + 1, K]`` float64; the images stay as they were.

    Raises:
        ShapeError: there is not one grid of ranks per image.
    """
    if len(images) != len(ranks):
        raise ShapeError(f"{len(images)} images and ranks of {len(ranks)}")
    # The distinct pictures: an image, and how many of its places are hidden.
    ends = np.array([round(step / options.steps * ranks.size) for step in range(options.steps + 1)])
    counts = (ranks < ends[:, None, None, None]).sum(axis=(2, 3))
    places = ranks[0].size
    keys = np.where(counts == places, 0, np.arange(len(images))) * (places + 1) + counts
    _, first, picture_of = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    steps, numbers = np.divmod(first, len(images))
    # What the model says of each of them.
    device = device_of(model)
    size = (images.shape[2], images.shape[3])
    what = f"hiding places of {model.class_names[classes[0]]}"
    batches = range(0, len(first), options.batch_size)
    probabilities = []
    for start in progress(batches, what, len(batches), "batches"):
        part = slice(start, start + options.batch_size)
        hidden = _pixels_of(ranks[numbers[part]] < ends[steps[part]][:, None, None], size).to(device)
        inputs = images[numbers[part]].to(device).masked_fill(hidden, options.fill)
        with autocast(options.precision, device):
            logits = model.module(inputs.contiguous(memory_format=torch.channels_last))
        probabilities.append(logits.double().softmax(1)[:, list(classes)].cpu().numpy())
    # The mean over images at every step.
    means: np.ndarray = np.concatenate(probabilities)[picture_of.reshape(counts.shape)].mean(axis=1)
    return means


def mask_test(
    model: Model,
    images: Tensor,
    distances: np.ndarray,
    ids: np.ndarray,
    pair: Pair,
    options: MaskOptions,
) -> MaskTest:
    """The mean probability of both classes while A's images are hidden, in the hyperplane's order and in a random one.

    Args:
        model: the whole network.
        images: ``[N, 3, H, W]`` normalised, of the class ``pair[0]``.
        distances: ``[N, h, w]`` signed, negative on the side of ``pair[0]``.
        ids: ``[N]`` of the images.
        pair: A and B.
        options: how places are hidden.

    Source: arXiv 2502.03422, masking test: all positions of all images are ranked together. So one image may be hidden
    completely before another is touched.
    """
    orders = {"none": ranks_by_distance(distances), "random_order": random_ranks(distances.shape, options.seed, pair)}
    example = int(distances.mean(axis=(1, 2)).argmin())
    parts = []
    for baseline, ranks in orders.items():
        means = masked_probabilities(model, images, ranks, pair, options=options)
        shares = np.arange(options.steps + 1) / options.steps
        parts.append(pd.DataFrame({"baseline": baseline, "share": shares, "p_from": means[:, 0], "p_to": means[:, 1]}))
    return MaskTest(
        pair=pair,
        rows=pd.concat(parts, ignore_index=True),
        image=int(ids[example]),
        ranks=orders["none"][example],
        positions=distances.size,
    )


def mask_tests(
    pictures: Pictures,
    split: SplitModel,
    planes: Mapping[Pair, Hyperplane],
    images: Mapping[int, np.ndarray],
    options: MaskOptions,
) -> Iterator[MaskTest]:
    """The mask test of every pair that has a hyperplane.

    Args:
        pictures: the images, and the model that sees them.
        split: the model, cut at the layer.
        planes: the hyperplanes by pair.
        images: ids of the images of each class.
        options: how places are hidden; the batch size is that of ``pictures``.
    """
    model = pictures.model
    options = replace(options, batch_size=pictures.batch_size)
    for pair, plane in progress(planes.items(), "mask test", len(planes), "pairs"):
        ids = images[pair[0]]
        first, second = (model.class_names[target] for target in pair)
        LOGGER.info("mask test of %s: does %s appear?", first, second)
        batches = list(pictures.of(ids))
        parts = [activations for _, activations in activations_of(model, split, batches, options.precision)]
        distances = plane.distances(torch.cat(parts)).numpy()
        inputs = torch.cat([network_input(model, views).cpu() for _, views in batches])
        yield mask_test(model, inputs, distances, ids, pair=pair, options=options)


def masked_pictures(
    pictures: Pictures, examples: Mapping[str, np.ndarray], fill: float
) -> dict[Pair, dict[float, np.ndarray]]:
    """The example image of every mask test at :data:`FIGURE_STEPS`, by the share of all places that is hidden.

    Args:
        pictures: the study's images and model.
        examples: arrays pair ``[P, 2]``, image ``[P]``, positions ``[P]``, ranks ``[P, h, w]``.
        fill: the value of hidden pixels, in normalised units.

    Returns:
        The image ``[H, W, 3]`` uint8, by pair and share.
    """
    if not len(examples["image"]):
        return {}
    views = pictures.by_id(np.unique(examples["image"]))
    colour = _colour(pictures.model.preprocess, fill)
    masked = {}
    for row, (first, second) in enumerate(examples["pair"].tolist()):
        view = views[int(examples["image"][row])]
        size = (view.shape[1], view.shape[2])
        positions = int(examples["positions"][row])
        ranks = examples["ranks"][row][None]
        # The image, with more and more of its places hidden.
        steps = {}
        for step in FIGURE_STEPS:
            hidden = hidden_places(ranks, step / STEPS, positions, size)[0]
            steps[step / STEPS] = pixels(torch.where(hidden, colour, view))
        masked[first, second] = steps
    return masked


def _colour(preprocess: Preprocess, fill: float) -> Tensor:
    """The colour that belongs to a normalised value: uint8 ``[channels, 1, 1]``."""
    colour = 255 * (fill * torch.tensor(preprocess.std) + torch.tensor(preprocess.mean))
    return colour.clamp(0, 255).round().to(torch.uint8)[:, None, None]


def mask_summary(mask: pd.DataFrame) -> pd.DataFrame:
    """The means over pairs at every share.

    Args:
        mask: the rows of several pairs, as in :class:`MaskTest`, with their status.

    Returns:
        baseline, share, n_pairs, p_from_mean, p_to_mean.

    Example:
        >>> rows = {"status": "ok", "baseline": "none", "share": [0.5, 0.5], "p_from": [0.2, 0.4], "p_to": [0.5, 0.3]}
        >>> mask_summary(pd.DataFrame(rows)).round(2).to_dict("records")
        [{'baseline': 'none', 'share': 0.5, 'n_pairs': 2, 'p_from_mean': 0.3, 'p_to_mean': 0.4}]
    """
    groups = mask[mask["status"] == "ok"].groupby(["baseline", "share"], sort=False)
    means = groups.agg(n_pairs=("p_from", "size"), p_from_mean=("p_from", "mean"), p_to_mean=("p_to", "mean"))
    return means.reset_index()
