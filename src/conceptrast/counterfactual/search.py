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
from conceptrast.models.split import SplitModel

DOUBLINGS = 7
BISECTIONS = 5
FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The fractions of a way at which tables list what both networks say."""

StopTest = Callable[[Tensor], Tensor]
"""A test that says for each image, from its ``λ`` ``[N]``, whether it has reached its class: ``[N]`` bool."""


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
    split: SplitModel, activations: Tensor, units: Tensor, target: int, options: SearchOptions = DEFAULTS
) -> StopTest:
    """A test that is true if the rest of the network gives the moved activations the class.

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``.
        units: the direction of each image, of length 1.
        target: the class.
        options: the probability that has to be reached, and the precision.
    """

    def reached(lambdas: Tensor) -> Tensor:
        with autocast(options.precision, activations.device):
            logits = split.suffix(moved_activations(split, activations, units, lambdas))
        return logits.double().softmax(dim=1)[:, target] >= options.probability

    return reached


def by_picture(
    layer: DecodableLayer, activations: Tensor, units: Tensor, target: int, options: SearchOptions = DEFAULTS
) -> StopTest:
    """A test that is true if the whole network gives the decoded picture the class.

    Args:
        layer: the layer with the decoder.
        activations: ``[N, C, h, w]``.
        units: the direction of each image, of length 1.
        target: the class.
        options: the probability that has to be reached, and the precision.
    """

    def reached(lambdas: Tensor) -> Tensor:
        with autocast(options.precision, activations.device):
            _, logits = decoded_logits(layer, moved_activations(layer.split, activations, units, lambdas))
        return logits.double().softmax(dim=1)[:, target] >= options.probability

    return reached


@torch.inference_mode()
def search(reached: StopTest, count: int, limit: float, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    r"""The distance at which each image has reached its class, to within 1/32 of it (limit/2048 below limit/64).

    ``λ`` doubles from ``limit / 64``. The step in which the class is first reached is then halved five times.

    Args:
        reached: a function of ``λ`` ``[N]`` that says for each image whether it has reached its class.
        count: ``N``.
        limit: the largest ``λ``.
        device: the device of ``λ``.

    Returns:
        ``λ`` ``[N]``, which is ``limit`` if the class is not reached; and ``[N]`` bool, whether it is reached.

    Example:
        >>> lambdas, reached = search(lambda way: way >= torch.tensor([0.3, 5.0]), count=2, limit=1.0)
        >>> [round(way, 2) for way in lambdas.tolist()], reached.tolist()
        ([0.3, 1.0], [True, False])
    """
    low = torch.zeros(count, device=device)
    high = torch.full((count,), limit, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    # Go twice as far until the class is reached.
    for doubling in range(1 - DOUBLINGS, 1):
        way = torch.full((count,), limit * 2.0**doubling, device=device)
        now = reached(way) & ~done
        high = torch.where(now, way, high)
        done |= now
        low = torch.where(done, low, way)
    # Halve the last step, again and again.
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        enough = reached(middle)
        high = torch.where(done & enough, middle, high)
        low = torch.where(done & ~enough, middle, low)
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


@torch.inference_mode()
def walk(
    layer: DecodableLayer,
    activations: Tensor,
    units: Tensor,
    ends: tuple[Tensor, Tensor],
    fractions: Sequence[float],
    precision: str = "float32",
) -> Walk:
    """Decode images at fractions of their way, and ask the whole network about the decoded pictures.

    Args:
        layer: the layer whose activations are moved.
        activations: ``[N, C, h, w]``.
        units: the directions of length 1, of the same shape.
        ends: ``λ`` ``[N]`` and whether the class is reached there, as :func:`search` gives them.
        fractions: the fractions of ``λ``, from 0 to 1.
        precision: ``float32`` or ``bfloat16``; the softmax is float64.
    """
    # What both networks say, step by step on the way.
    lambdas, reached = ends
    suffix = []
    decoded = []
    frames = []
    for fraction in fractions:
        with autocast(precision, activations.device):
            there = moved_activations(layer.split, activations, units, fraction * lambdas)
            suffix_logits = layer.split.suffix(there)
            pictures, picture_logits = decoded_logits(layer, there)
        suffix.append(suffix_logits.double().softmax(dim=1).cpu().numpy())
        decoded.append(picture_logits.double().softmax(dim=1).cpu().numpy())
        frames.append(pictures.cpu())
    return Walk(
        lambdas=lambdas.cpu().numpy(),
        reached=reached.cpu().numpy(),
        fractions=np.asarray(fractions, float),
        suffix=np.stack(suffix, axis=1),
        decoded=np.stack(decoded, axis=1),
        frames=torch.stack(frames, dim=1),
    )


def counterfactuals(
    layer: DecodableLayer,
    activations: Tensor,
    directions: Sequence[Direction],
    target: int,
    *,
    stop: str = "suffix",
    fractions: Sequence[float] = FRACTIONS,
    options: SearchOptions = DEFAULTS,
) -> Walk:
    r"""Move images until they get another class, and decode them on the way.

    .. math:: \lambda_n = \min \{\lambda : p_c(a_n(\lambda)) \ge p\}, \qquad
              p_c = \mathrm{softmax}(f(a))_c \text{ or } \mathrm{softmax}(\mathrm{model}(D(a)))_c

    Args:
        layer: the layer whose activations are moved.
        activations: ``[N, C, h, w]`` of the images, on the model's device.
        directions: one direction for each image.
        target: the class that the images are moved towards.
        stop: the network that has to name the class. ``suffix`` is the rest of the network, on the moved activations;
            ``picture`` is the whole network, on the decoded picture.
        fractions: the fractions of the way at which pictures are decoded.
        options: how far images are moved, and how.

    Returns:
        The distances, and at every fraction of them the decoded pictures and what both networks say.

    Raises:
        ConfigError: there is no such stop.
        LayerError: a direction belongs to another layer.
        ShapeError: a direction does not fit the activations.

    Source: latent shift (Cohen et al. 2021, arXiv 2102.09475), here along any direction. Distances relative to the
    length of the activations are ours: they make directions of different origin comparable.

    Example: see :func:`conceptrast.api.study.Study.counterfactual`, which takes a picture.
    """
    # Refuse what cannot be searched.
    for name in dict.fromkeys(direction.layer for direction in directions):
        layer.decoder.check_layer(name)
    if stop not in STOPS:
        raise ConfigError(unknown_name("stop", stop, STOPS))
    # Batch by batch: the distance of each image, then the way there.
    walks = []
    units = _units(activations, directions)
    batches = zip(activations.split(options.batch_size), units.split(options.batch_size), strict=True)
    for batch, batch_units in batches:
        if stop == "suffix":
            reached = by_suffix(layer.split, batch, batch_units, target, options=options)
        else:
            reached = by_picture(layer, batch, batch_units, target, options=options)
        ends = search(reached, len(batch), options.limit, batch.device)
        walks.append(
            walk(
                layer,
                batch,
                batch_units,
                ends,
                fractions=fractions,
                precision=options.precision,
            )
        )
    return _join_walks(walks)


def _join_walks(walks: Sequence[Walk]) -> Walk:
    """Join the walks of several batches of images."""
    arrays = {
        name: np.concatenate([getattr(part, name) for part in walks])
        for name in ("lambdas", "reached", "suffix", "decoded")
    }
    frames = torch.cat([part.frames for part in walks])
    return Walk(**arrays, fractions=walks[0].fractions, frames=frames)


def _units(activations: Tensor, directions: Sequence[Direction]) -> Tensor:
    shape = tuple(activations.shape[1:])
    return torch.stack([direction.unit(shape) for direction in directions]).to(activations)
