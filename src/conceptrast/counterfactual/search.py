r"""The search for counterfactuals: activations move along a direction until the class changes; pictures show the way.

Notation as in :mod:`conceptrast.counterfactual.decodable_layer`: ``a`` activations, ``u`` unit directions, ``λ`` the
distance, relative to the length of the activations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.counterfactual.decodable_layer import DecodableLayer, decoded_logits, moved_activations
from conceptrast.counterfactual.direction_kinds import STOPS
from conceptrast.counterfactual.directions import Direction
from conceptrast.models.inference import autocast

DOUBLINGS = 7
BISECTIONS = 5
FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The fractions of a way at which tables list what both networks say."""

StopTest = Callable[[Tensor, Tensor], Tensor]
"""A test whether ways have reached their class: from their numbers ``[n]`` and ``λ`` ``[n]`` to ``[n]`` bool."""


@dataclass(frozen=True)
class SearchOptions:
    """How images are moved, and how far.

    Args:
        probability: the probability of the class at which a way ends.
        limit: the longest way, relative to the length of the activations.
        precision: ``float32`` or ``bfloat16``.
        batch_size: the number of images that are moved and decoded at once.
    """

    probability: float = 0.5
    limit: float = 1.0
    precision: str = "float32"
    batch_size: int = 64


DEFAULTS = SearchOptions()


def by_suffix(
    layer: DecodableLayer, activations: Tensor, units: Tensor, target: int, options: SearchOptions = DEFAULTS
) -> StopTest:
    """A test that is true if the rest of the network gives the moved activations the class.

    Args:
        layer: the layer whose activations are moved.
        activations: ``[M, C, h, w]``, where each way starts.
        units: the direction of each way, of length 1.
        target: the class.
        options: the probability that has to be reached, the precision and the batch size.
    """
    return _stop_test(layer, activations, units, target, network=layer.split.suffix, options=options)


def by_picture(
    layer: DecodableLayer, activations: Tensor, units: Tensor, target: int, options: SearchOptions = DEFAULTS
) -> StopTest:
    """A test that is true if the whole network gives the decoded picture the class.

    Args:
        layer: the layer with the decoder.
        activations: ``[M, C, h, w]``, where each way starts.
        units: the direction of each way, of length 1.
        target: the class.
        options: the probability that has to be reached, the precision and the batch size.
    """
    return _stop_test(
        layer, activations, units, target, network=lambda moved: decoded_logits(layer, moved)[1], options=options
    )


def _stop_test(
    layer: DecodableLayer,
    activations: Tensor,
    units: Tensor,
    target: int,
    network: Callable[[Tensor], Tensor],
    options: SearchOptions,
) -> StopTest:
    """A test of what ``network`` says of moved activations, which go through it batch by batch."""

    def reached(ways: Tensor, lambdas: Tensor) -> Tensor:
        answers = []
        for batch in torch.arange(len(ways)).split(options.batch_size):
            there = ways[batch]
            with autocast(options.precision, activations.device):
                moved = moved_activations(layer.split, activations[there], units[there], lambdas[batch])
                logits = network(moved)
            answers.append(logits.double().softmax(dim=1)[:, target] >= options.probability)
        return torch.cat(answers)

    return reached


@torch.inference_mode()
def search(reached: StopTest, count: int, limit: float, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    r"""The distance at which each way has reached its class, to within 1/32 of it (limit/2048 below limit/64).

    ``λ`` doubles from ``limit / 64``. The step in which the class is first reached is then halved five times. Only ways
    whose end is not known yet are tested.

    Args:
        reached: a function of the numbers of some ways ``[n]`` and of their ``λ`` ``[n]`` that says for each of them
            whether it has reached its class.
        count: the number of ways ``M``.
        limit: the largest ``λ``.
        device: the device of ``λ``.

    Returns:
        ``λ`` ``[M]``, which is ``limit`` if the class is not reached; and ``[M]`` bool, whether it is reached.

    Example:
        >>> first = torch.tensor([0.3, 5.0])
        >>> lambdas, reached = search(lambda ways, way: way >= first[ways], count=2, limit=1.0)
        >>> [round(way, 2) for way in lambdas.tolist()], reached.tolist()
        ([0.3, 1.0], [True, False])
    """
    low = torch.zeros(count, device=device)
    high = torch.full((count,), limit, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    # Go twice as far until the class is reached.
    waiting = torch.arange(count, device=device)
    for doubling in range(1 - DOUBLINGS, 1):
        if not len(waiting):
            break
        way = torch.full((len(waiting),), limit * 2.0**doubling, device=device)
        now = reached(waiting, way)
        high[waiting[now]] = way[now]
        done[waiting[now]] = True
        low[waiting[~now]] = way[~now]
        waiting = waiting[~now]
    # Halve the last step, again and again.
    ended = done.nonzero()[:, 0]
    for _ in range(BISECTIONS if len(ended) else 0):
        middle = (low[ended] + high[ended]) / 2
        enough = reached(ended, middle)
        high[ended[enough]] = middle[enough]
        low[ended[~enough]] = middle[~enough]
    return high, done


@dataclass(frozen=True)
class Walk:
    """Images on their way along directions.

    Args:
        lambdas: ``[N]`` how far each image goes.
        reached: ``[N]`` bool, whether the class was reached.
        fractions: ``[F]`` the fractions of the way, from 0 to 1.
        suffix: ``[N, F, n_classes]`` probabilities by the rest of the network.
        decoded: ``[N, F, n_classes]`` probabilities of the decoded pictures by the whole network.
        frames: ``[N, F, 3, H, W]`` uint8, the decoded pictures.
    """

    lambdas: np.ndarray
    reached: np.ndarray
    fractions: np.ndarray
    suffix: np.ndarray
    decoded: np.ndarray
    frames: Tensor

    def part(self, images: slice) -> Walk:
        """The walk of some of the images."""
        return Walk(
            lambdas=self.lambdas[images],
            reached=self.reached[images],
            fractions=self.fractions,
            suffix=self.suffix[images],
            decoded=self.decoded[images],
            frames=self.frames[images],
        )


@dataclass(frozen=True)
class Answers:
    """What both networks say of activations, and their decoded pictures.

    Args:
        suffix: ``[N, n_classes]`` probabilities by the rest of the network.
        decoded: ``[N, n_classes]`` probabilities of the decoded pictures by the whole network.
        frames: ``[N, 3, H, W]`` uint8, the decoded pictures.
    """

    suffix: np.ndarray
    decoded: np.ndarray
    frames: Tensor


@torch.inference_mode()
def answers_of(layer: DecodableLayer, activations: Tensor, options: SearchOptions = DEFAULTS) -> Answers:
    """Ask both networks about activations, batch by batch.

    Args:
        layer: the layer of the activations.
        activations: ``[N, C, h, w]``.
        options: the precision, and the batch size; the softmax is float64.
    """
    suffix = []
    decoded = []
    frames = []
    for batch in activations.split(options.batch_size):
        with autocast(options.precision, batch.device):
            suffix_logits = layer.split.suffix(batch)
            pictures, picture_logits = decoded_logits(layer, batch)
        suffix.append(suffix_logits.double().softmax(dim=1).cpu())
        decoded.append(picture_logits.double().softmax(dim=1).cpu())
        frames.append(pictures.cpu())
    return Answers(suffix=torch.cat(suffix).numpy(), decoded=torch.cat(decoded).numpy(), frames=torch.cat(frames))


def counterfactuals(
    layer: DecodableLayer,
    activations: Tensor,
    directions: Sequence[Sequence[Direction]],
    target: int,
    *,
    stop: str = "suffix",
    fractions: Sequence[float] = FRACTIONS,
    options: SearchOptions = DEFAULTS,
) -> list[Walk]:
    r"""Move images along several directions until they get another class, and decode them on the way.

    .. math:: \lambda_n = \min \{\lambda : p_c(a_n(\lambda)) \ge p\}, \qquad
              p_c = \mathrm{softmax}(f(a))_c \text{ or } \mathrm{softmax}(\mathrm{model}(D(a)))_c

    The ways along all directions are searched together, so that batches are full. Where they start is decoded once.

    Args:
        layer: the layer whose activations are moved.
        activations: ``[N, C, h, w]`` of the images, on the model's device.
        directions: ``K`` kinds of direction, each with one direction for each image.
        target: the class that the images are moved towards.
        stop: the network that has to name the class. ``suffix`` is the rest of the network, on the moved activations;
            ``picture`` is the whole network, on the decoded picture.
        fractions: the fractions of the way at which pictures are decoded.
        options: how far images are moved, and how.

    Returns:
        For each kind of direction the distances, and at every fraction of them the decoded pictures and what both
        networks say.

    Raises:
        ConfigError: there is no such stop.
        LayerError: a direction belongs to another layer.
        ShapeError: a direction does not fit the activations.

    Source: latent shift (Cohen et al. 2021, arXiv 2102.09475), here along any direction. Distances relative to the
    length of the activations are ours: they make directions of different origin comparable.

    Example: see :func:`conceptrast.api.study.Study.counterfactual`, which takes a picture.
    """
    # Refuse what cannot be searched.
    flat = [direction for kind in directions for direction in kind]
    for name in dict.fromkeys(direction.layer for direction in flat):
        layer.decoder.check_layer(name)
    if stop not in STOPS:
        raise ConfigError(unknown_name("stop", stop, STOPS))
    # The distance of each image along each direction: the ways of one kind follow those of another.
    starts = torch.cat([activations] * len(directions))
    units = _units(activations, flat)
    stop_test = by_suffix if stop == "suffix" else by_picture
    reached = stop_test(layer, starts, units, target, options=options)
    lambdas, done = search(reached, len(starts), options.limit, starts.device)
    # What both networks say at every fraction. All ways of an image start in the same place.
    start = answers_of(layer, activations, options) if 0.0 in fractions else None
    on_the_way = []
    for fraction in fractions:
        if start is not None and fraction == 0:
            on_the_way.append(_repeated(start, len(directions)))
        else:
            moved = moved_activations(layer.split, starts, units, fraction * lambdas)
            on_the_way.append(answers_of(layer, moved, options))
    whole = Walk(
        lambdas=lambdas.cpu().numpy(),
        reached=done.cpu().numpy(),
        fractions=np.asarray(fractions, float),
        suffix=np.stack([answers.suffix for answers in on_the_way], axis=1),
        decoded=np.stack([answers.decoded for answers in on_the_way], axis=1),
        frames=torch.stack([answers.frames for answers in on_the_way], dim=1),
    )
    count = len(activations)
    return [whole.part(slice(count * kind, count * (kind + 1))) for kind in range(len(directions))]


def _repeated(answers: Answers, times: int) -> Answers:
    return Answers(
        suffix=np.concatenate([answers.suffix] * times),
        decoded=np.concatenate([answers.decoded] * times),
        frames=torch.cat([answers.frames] * times),
    )


def _units(activations: Tensor, directions: Sequence[Direction]) -> Tensor:
    shape = tuple(activations.shape[1:])
    units = torch.stack([direction.unit(shape) for direction in directions]).to(activations)
    return units.contiguous(memory_format=torch.channels_last)
