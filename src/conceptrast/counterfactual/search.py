r"""The search for counterfactuals: activations are edited until the class changes; decoded pictures show the way.

Notation as in :mod:`conceptrast.counterfactual.edits`: ``a(t)`` activations on their way, ``t`` the part of it that is
done. ``λ`` is how far they have come, relative to the length of the activations:

.. math:: \lambda(t) = \lVert a(t) - a(0) \rVert \,/\, \lVert a(0) \rVert
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.edit_kinds import STOPS
from conceptrast.counterfactual.edits import Edit, Edits, together
from conceptrast.models.inference import autocast

DOUBLINGS = 6
BISECTIONS = 4
FRACTIONS = (0.0, 0.5, 1.0)
"""The fractions of a way at which tables list what both networks say."""

StopTest = Callable[[Tensor, Tensor], Tensor]
"""A test whether ways have reached their class: from their numbers ``[n]`` and ``t`` ``[n]`` to ``[n]`` bool."""


@dataclass(frozen=True)
class SearchOptions:
    """How far pictures are moved, and how many at once.

    Args:
        probability: the probability of the class at which a way ends.
        limit: the longest way of an edit along a direction, relative to the length of the activations.
        cells: the largest number of positions that a transplant replaces.
        precision: ``float32`` or ``bfloat16``.
        batch_size: the number of pictures that are moved and decoded at once.
    """

    probability: float = 0.5
    limit: float = 1.0
    cells: int = 4
    precision: str = "float32"
    batch_size: int = 64


DEFAULTS = SearchOptions()


def stop_test(
    layer: DecodableLayer, edits: Edits, target: int, stop: str, options: SearchOptions = DEFAULTS
) -> StopTest:
    """A test whether a network gives the class to what edits have made.

    Args:
        layer: the layer whose activations are edited.
        edits: the edits, one for each way.
        target: the class.
        stop: the network. ``suffix`` is the rest of the network, on the edited activations; ``picture`` is the whole
            network, on the decoded picture.
        options: the probability that has to be reached, the precision and the batch size.

    Raises:
        ConfigError: there is no such stop.
    """
    if stop not in STOPS:
        raise ConfigError(unknown_name("stop", stop, STOPS))

    def reached(ways: Tensor, done: Tensor) -> Tensor:
        answers = []
        for batch in torch.arange(len(ways)).split(options.batch_size):
            with autocast(options.precision, edits.starts.device):
                moved = edits.at(done[batch], ways[batch])
                activations = layer.activations(moved, *edits.around_of(ways[batch]))
                logits = layer.split.suffix(activations) if stop == "suffix" else layer.decoded_logits(activations)[1]
            answers.append(logits.double().softmax(dim=1)[:, target] >= options.probability)
        return torch.cat(answers)

    return reached


@torch.inference_mode()
def search(reached: StopTest, count: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    r"""The part of a way at which it has reached its class, to within 1/16 of it (1/512 of the whole below 1/32).

    ``t`` doubles from 1/32. The step in which the class is first reached is then halved four times. Only ways whose end
    is not known yet are tested.

    Args:
        reached: a function of the numbers of some ways ``[n]`` and of their ``t`` ``[n]`` that says for each of them
            whether it has reached its class.
        count: the number of ways ``M``.
        device: the device of ``t``.

    Returns:
        ``t`` ``[M]``, which is 1 if the class is not reached; and ``[M]`` bool, whether it is reached.

    Example:
        >>> first = torch.tensor([0.3, 5.0])
        >>> done, reached = search(lambda ways, way: way >= first[ways], count=2)
        >>> [round(way, 2) for way in done.tolist()], reached.tolist()
        ([0.31, 1.0], [True, False])
    """
    low = torch.zeros(count, device=device)
    high = torch.ones(count, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    # Go twice as far until the class is reached.
    waiting = torch.arange(count, device=device)
    for doubling in range(1 - DOUBLINGS, 1):
        if not len(waiting):
            break
        way = torch.full((len(waiting),), 2.0**doubling, device=device)
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
    """Pictures on their way by edits.

    Args:
        done: ``[N]`` the part of the way that each picture goes, 0 to 1.
        reached: ``[N]`` bool, whether the class was reached.
        fractions: ``[F]`` fractions of the way that a picture goes, from 0 to 1.
        lambdas: ``[N, F]`` how far activations have come, relative to their length.
        cells: ``[N, F]`` number of positions that have changed.
        probabilities: ``[N, F, n_classes]`` by who says so: ``suffix``, the rest of the network; ``decoded``, the whole
            network of the decoded picture; ``judge``, another network of the same picture, where there is one.
        frames: ``[N, F, 3, H, W]`` uint8, the decoded pictures.
    """

    done: np.ndarray
    reached: np.ndarray
    fractions: np.ndarray
    lambdas: np.ndarray
    cells: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    frames: Tensor

    def judged(self, stop: str, target: int, probability: float) -> Walk:
        """The same walk; ``reached`` says whether its ends have a class's probability, by the network of a stop."""
        judge = "suffix" if stop == "suffix" else "decoded"
        return replace(self, reached=self.probabilities[judge][:, -1, target] >= probability)

    def part(self, ways: slice) -> Walk:
        """The walk of some of the pictures."""
        return Walk(
            done=self.done[ways],
            reached=self.reached[ways],
            fractions=self.fractions,
            lambdas=self.lambdas[ways],
            cells=self.cells[ways],
            probabilities={name: values[ways] for name, values in self.probabilities.items()},
            frames=self.frames[ways],
        )


def counterfactuals(
    layer: DecodableLayer,
    activations: Tensor,
    edits: Sequence[Sequence[Edit]],
    target: int,
    *,
    stop: str = "suffix",
    fractions: Sequence[float] = FRACTIONS,
    options: SearchOptions = DEFAULTS,
) -> list[Walk]:
    r"""Edit pictures in several ways until they get another class, and decode them on the way.

    .. math:: t_n = \min \{t : p_c(a_n(t)) \ge p\}, \qquad
              p_c = \mathrm{softmax}(f(a))_c \text{ or } \mathrm{softmax}(\mathrm{model}(D(a)))_c

    All ways are searched together, so that batches are full. Where they start is decoded once.

    Args:
        layer: the layer whose activations are edited, and the one that is decoded.
        activations: ``[N, C, h, w]`` of the pictures, on the model's device.
        edits: ``K`` kinds of edit, each with one edit for each picture.
        target: the class that the pictures are moved towards.
        stop: the network that has to name the class, see :func:`stop_test`.
        fractions: the fractions of the way at which pictures are decoded.
        options: how far pictures are moved, and how.

    Returns:
        For each kind of edit a walk.

    Raises:
        ConfigError: there is no such stop.
        LayerError: an edit belongs to another layer.
        ShapeError: an edit does not fit the activations.

    Source: latent shift (Cohen et al. 2021, arXiv 2102.09475), here by any edit.

    Example: see :func:`conceptrast.api.study.Study.counterfactual`, which takes a picture.
    """
    whole = _together(layer, activations, edits)
    test = stop_test(layer, whole, target, stop=stop, options=options)
    done, reached = search(test, len(whole), whole.starts.device)
    return _walks(layer, whole, ends=(done, reached), fractions=fractions, count=len(activations), options=options)


def walks_of_length(
    layer: DecodableLayer,
    activations: Tensor,
    edits: Sequence[Sequence[Edit]],
    done: Sequence[np.ndarray],
    *,
    fractions: Sequence[float] = FRACTIONS,
    options: SearchOptions = DEFAULTS,
) -> list[Walk]:
    """Edit pictures as far as is given, and decode them on the way: the chance rows of :func:`counterfactuals`.

    Args:
        layer: the layer whose activations are edited.
        activations: ``[N, C, h, w]``.
        edits: ``K`` kinds of edit, each with one edit for each picture.
        done: for each kind ``t`` ``[N]``.
        fractions: the fractions of the way at which pictures are decoded.
        options: the precision and the batch size.

    Returns:
        For each kind of edit a walk, whose ``reached`` is false: nothing was looked for, see :meth:`Walk.judged`.
    """
    whole = _together(layer, activations, edits)
    ends = torch.from_numpy(np.concatenate(done)).to(whole.starts)
    nowhere = torch.zeros_like(ends, dtype=torch.bool)
    return _walks(layer, whole, ends=(ends, nowhere), fractions=fractions, count=len(activations), options=options)


def _together(layer: DecodableLayer, activations: Tensor, edits: Sequence[Sequence[Edit]]) -> Edits:
    """The edits of one kind follow those of another."""
    flat = [edit for kind in edits for edit in kind]
    for name in dict.fromkeys(edit.layer for edit in flat):
        layer.check_edited(name)
    return Edits.of(layer.edited, torch.cat([activations] * len(edits)), flat)


@torch.inference_mode()
def _walks(
    layer: DecodableLayer,
    edits: Edits,
    ends: tuple[Tensor, Tensor],
    fractions: Sequence[float],
    count: int,
    options: SearchOptions,
) -> list[Walk]:
    """What all networks say at every fraction. All ways of a picture start in the same place."""
    done, reached = ends
    kinds = len(edits) // count
    start = views_of(layer, edits.starts[:count], options, edits.around[:count]) if 0.0 in fractions else None
    on_the_way = []
    lambdas = []
    cells = []
    for fraction in fractions:
        moved = edits.at(fraction * done)
        change = moved - edits.starts
        lambdas.append(change.flatten(1).norm(dim=1) / edits.starts.flatten(1).norm(dim=1).clamp(min=1e-30))
        cells.append((change.abs().amax(dim=1) > 0).sum(dim=(1, 2)))
        if start is not None and fraction == 0:
            on_the_way.append(start.repeated(kinds))
        else:
            on_the_way.append(views_of(layer, moved, options, edits.around))
    whole = Walk(
        done=done.cpu().numpy(),
        reached=reached.cpu().numpy(),
        fractions=np.asarray(fractions, float),
        lambdas=torch.stack(lambdas, dim=1).double().cpu().numpy(),
        cells=torch.stack(cells, dim=1).cpu().numpy(),
        probabilities={
            name: np.stack([views.probabilities[name] for views in on_the_way], axis=1)
            for name in on_the_way[0].probabilities
        },
        frames=torch.stack([views.frames for views in on_the_way], dim=1),
    )
    return [whole.part(slice(count * kind, count * (kind + 1))) for kind in range(kinds)]


@dataclass(frozen=True)
class Views:
    """What all networks say of activations, and their decoded pictures.

    Args:
        probabilities: ``[N, n_classes]`` by who says so, as in :class:`Walk`.
        frames: ``[N, 3, H, W]`` uint8.
    """

    probabilities: Mapping[str, np.ndarray]
    frames: Tensor

    def repeated(self, times: int) -> Views:
        """The same again and again."""
        probabilities = {name: np.concatenate([values] * times) for name, values in self.probabilities.items()}
        return Views(probabilities, torch.cat([self.frames] * times))


@torch.inference_mode()
def views_of(
    layer: DecodableLayer,
    values: Tensor,
    options: SearchOptions = DEFAULTS,
    around: Sequence[tuple[Tensor, ...]] = (),
) -> Views:
    """Ask all networks about values of the edited layer, batch by batch.

    Args:
        layer: the layer that is edited, and the one that is decoded.
        values: ``[N, C, h, w]``.
        options: the precision, and the batch size; the softmax is float64.
        around: for each picture the tensors that go around the edited layer, each ``[1, …]``; may be left out where the
            network can be cut there.
    """
    answers: dict[str, list[Tensor]] = {}
    frames = []
    for number, batch in enumerate(values.split(options.batch_size)):
        first = number * options.batch_size
        with autocast(options.precision, batch.device):
            activations = layer.activations(batch, *together(around[first : first + len(batch)]))
            pictures, decoded = layer.decoded_logits(activations)
            logits = {"suffix": layer.split.suffix(activations), "decoded": decoded} | layer.judged_logits(pictures)
        for name, class_logits in logits.items():
            answers.setdefault(name, []).append(class_logits.double().softmax(dim=1).cpu())
        frames.append(pictures.cpu())
    return Views({name: torch.cat(parts).numpy() for name, parts in answers.items()}, torch.cat(frames))
