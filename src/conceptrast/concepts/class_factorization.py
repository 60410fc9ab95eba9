"""The components of every class, from its images' activations and the attribution at each position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import LayerError
from conceptrast.concepts.attributed_images import weighing
from conceptrast.concepts.nmf import NothingToFactorizeError, as_signed_rows, reconstruction_error, refuse_negative
from conceptrast.concepts.nmf_batched import BATCH_BYTES
from conceptrast.concepts.nmf_solvers import factorizations, in_batches
from conceptrast.concepts.recipes import Factors

LINEAR = 0.9
"""Share of the attribution that one multiplier for each channel must explain if ``auto`` is to weigh channels."""


def class_weights(attribution: Mapping[str, np.ndarray], weighting: str) -> np.ndarray:
    r"""The weights by which attribution scales the activations of a class before they are factorized.

    .. math::
        \text{position (published):}\quad w_{n y x} = \frac{1}{C} \sum_c \max(A_{n c y x}, 0), \qquad
        \text{channel (ours):}\quad w_c = \max\Big(\frac{1}{N} \sum_n m_{n c}, 0\Big)

    The first weighting keeps all channels of a position that matters, even channels that speak for other classes. In
    the second, an entry :math:`w_c\,a` is what the channel adds to the class's logit at that position. This holds
    exactly for a linear suffix and a baseline of zero. Channels that speak against the class are left out.

    Args:
        attribution: the attribution of one class's images: rectified ``[N, h, w]``, multiplier ``[N, C]`` and, for
            ``"auto"``, linear_share ``[N]``.
        weighting: ``"position"``, ``"channel"`` or ``"auto"``, see :func:`settled_weighting`.

    Returns:
        ``[N, 1, h, w]`` or ``[1, C, 1, 1]`` float32.

    Example:
        >>> attribution = {"rectified": np.ones((2, 1, 1)), "multiplier": np.array([[3.0, -1.0], [1.0, -3.0]])}
        >>> class_weights(attribution, "channel").ravel().tolist()
        [2.0, 0.0]
    """
    if settled_weighting(attribution, weighting) == "position":
        return attribution["rectified"][:, None].astype(np.float32)
    return np.maximum(attribution["multiplier"].mean(axis=0), 0)[None, :, None, None].astype(np.float32)


def settled_weighting(attribution: Mapping[str, np.ndarray], weighting: str) -> str:
    """``"channel"`` or ``"position"``: ``"auto"`` weighs channels where one multiplier for each describes the suffix.

    It does if the multipliers explain, in the mean over the class's images, at least :data:`LINEAR` of the
    attribution's square (:func:`~conceptrast.attribution.smooth.linear_share`). So the layer decides, and not what the
    model says of the patches in the end.

    Args:
        attribution: linear_share ``[N]`` of the class's images.
        weighting: ``"position"``, ``"channel"`` or ``"auto"``.

    Example:
        >>> settled_weighting({"linear_share": np.array([0.98, 0.99])}, "auto")
        'channel'
    """
    if weighting != "auto":
        return weighting
    return "channel" if float(np.mean(attribution["linear_share"])) >= LINEAR else "position"


def weighted_rows(activations: Tensor, weights: np.ndarray, rectify: bool = False) -> tuple[np.ndarray, float]:
    r"""The rows that are factorized for a class, and the share of them that rectifying takes away.

    .. math:: V_{(n, y, x), c} = w_{n c y x} \, a_{n c y x}

    Args:
        activations: ``[n, C, h, w]``.
        weights: not negative, ``[n, 1, h, w]`` or ``[1, C, 1, 1]``; see :func:`class_weights`.
        rectify: whether negative activations are set to zero.

    Returns:
        ``[n h w, C]`` float32, and the removed share of :math:`\sum |V|` (0 without ``rectify``).

    Example:
        >>> activations = torch.tensor([3.0, -1.0]).reshape(1, 2, 1, 1)
        >>> rows, removed = weighted_rows(activations, np.full((1, 1, 1, 1), 2.0), rectify=True)
        >>> rows.tolist(), removed
        ([[6.0, 0.0]], 0.25)
    """
    values = activations.float() * torch.from_numpy(np.asarray(weights, dtype=np.float32))
    rows = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])
    if not rectify:
        return rows.numpy(), 0.0
    mass = float(rows.abs().sum(dtype=torch.float64))
    kept = rows.clamp(min=0)
    removed = 1 - float(kept.sum(dtype=torch.float64)) / mass if mass else 0.0
    return kept.numpy(), removed


def factorize_classes(
    classes: Iterable[tuple[int, Tensor, slice]],
    attribution: Mapping[str, np.ndarray],
    factors: Sequence[Factors],
    seed: int = 0,
    rectify: bool = False,
    solver: str = "batched",
) -> dict[str, np.ndarray]:
    """Components of every class.

    Args:
        classes: each class with its activations ``[n, C, h, w]`` and its place among the attributed images, as
            :func:`by_class` gives. The rows of some classes at a time are in memory, see
            :data:`~conceptrast.concepts.nmf_batched.BATCH_BYTES`.
        attribution: rectified ``[M, h, w]``, multiplier ``[M, C]`` and linear_share ``[M]`` of all images.
        factors: every factorization in use.
        seed: the seed of the factorization.
        rectify: whether negative activations are set to zero; if not, they raise an error, except for ``semi_nmf``.
        solver: see :func:`~conceptrast.concepts.nmf_solvers.factorizations`.

    Returns:
        Arrays by name: classes ``[K]``, n_images ``[K]``; for each of ``factors`` components_<key> ``[K, k, C]``
        float32, patterns_<key> ``[K, k, C]`` float32 (:func:`patterns_of`), weights_<key> ``[K, C]`` float32 (the
        class's channel weights, 1 where positions are weighted), reconstruction_error_<key> ``[K]`` and
        removed_mass_<key> ``[K]``; skipped ``[S]`` and skipped_reason ``[S]`` for classes that have nothing to
        factorize.

    Raises:
        LayerError: activations are negative and ``rectify`` is off, even if their weight is 0; or the solver is
            ``semi_nmf`` and they are not.
        ConfigError: there is no such solver.
    """
    # The fits of every class, batch by batch.
    weightings = sorted({wanted.weighting for wanted in factors})
    skipped: list[tuple[int, str]] = []
    fits: dict[Factors, list[_Fit]] = {wanted: [] for wanted in factors}
    targets: list[int] = []
    n_images: list[int] = []
    check = refuse_not_negative if solver == "semi_nmf" else _refuse_negative_activations
    weighted = _weighted_classes(
        classes, attribution, weightings, check=_nothing if rectify else check, rectify=rectify, skipped=skipped
    )
    for batch in in_batches(weighted, size=lambda item: item.n_bytes, most=BATCH_BYTES):
        targets += [item.target for item in batch]
        n_images += [item.n_images for item in batch]
        for wanted in factors:
            fits[wanted] += _fits(batch, wanted, seed, solver)

    # The same as arrays.
    arrays = {
        "classes": np.array(targets, dtype=np.int64),
        "n_images": np.array(n_images, dtype=np.int64),
        "skipped": np.array([target for target, _ in skipped], dtype=np.int64),
        "skipped_reason": np.array([reason for _, reason in skipped], dtype=np.str_),
    }
    for wanted, of_all in fits.items():
        components = [fit.components for fit in of_all] or [np.empty((wanted.components, 0), np.float32)]
        arrays[f"components_{wanted.key}"] = np.stack(components)[: len(of_all)]
        patterns = [fit.patterns for fit in of_all] or [np.empty((wanted.components, 0), np.float32)]
        arrays[f"patterns_{wanted.key}"] = np.stack(patterns)[: len(of_all)]
        weights = [fit.weights for fit in of_all] or [np.empty(0, np.float32)]
        arrays[f"weights_{wanted.key}"] = np.stack(weights)[: len(of_all)]
        arrays[f"reconstruction_error_{wanted.key}"] = np.array([fit.error for fit in of_all], dtype=np.float64)
        arrays[f"removed_mass_{wanted.key}"] = np.array([fit.removed for fit in of_all], dtype=np.float64)
    return arrays


class _Fit(NamedTuple):
    """One factorization of a class: what it consists of, its relative error, and the share that rectifying removed."""

    components: np.ndarray
    patterns: np.ndarray
    weights: np.ndarray
    error: float
    removed: float


class _WeightedClass(NamedTuple):
    """A class with its rows and the share that rectifying removed, by weighting."""

    target: int
    n_images: int
    activations: Tensor
    rows: Mapping[str, tuple[np.ndarray, float]]
    weights: Mapping[str, np.ndarray]

    @property
    def n_bytes(self) -> int:
        return self.activations.nbytes + sum(rows.nbytes for rows, _ in self.rows.values())


def _weighted_classes(
    classes: Iterable[tuple[int, Tensor, slice]],
    attribution: Mapping[str, np.ndarray],
    weightings: Sequence[str],
    *,
    check: Callable[[Tensor], None],
    rectify: bool,
    skipped: list[tuple[int, str]],
) -> Iterator[_WeightedClass]:
    """The rows of every class that has any; classes without go to ``skipped`` with the reason."""
    for target, activations, place in classes:
        # This check comes before the weighting: a weight of 0 would hide negative activations.
        check(activations)
        of_class = weighing(attribution, place)
        weights = {name: class_weights(of_class, name) for name in weightings}
        rows = {name: weighted_rows(activations, weights[name], rectify) for name in weightings}
        try:
            for values, _ in rows.values():
                as_signed_rows(values)
        except NothingToFactorizeError as error:
            skipped.append((target, f"the attribution leaves nothing: {error}"))
        else:
            yield _WeightedClass(
                target=target,
                n_images=len(activations),
                activations=activations.clamp(min=0) if rectify else activations,
                rows=rows,
                weights=weights,
            )


def refuse_not_negative(activations: Tensor) -> None:
    """Refuse semi-NMF where no activation is negative: its components would hold what the layer cannot show.

    Raises:
        LayerError: no activation is negative.
    """
    if not bool((activations < 0).any()):
        raise LayerError(
            "no activation is negative here, and components of semi-NMF would be: "
            "choose a layer before its activation function, or factorization: {solver: batched}"
        )


def _refuse_negative_activations(activations: Tensor) -> None:
    refuse_negative(float((activations < 0).float().mean()), "activations")


def _nothing(activations: Tensor) -> None:
    """No check: negative activations become zero."""


def _fits(batch: Sequence[_WeightedClass], wanted: Factors, seed: int, solver: str) -> list[_Fit]:
    rows = [item.rows[wanted.weighting] for item in batch]
    results = factorizations([values for values, _ in rows], wanted.components, seed, solver)
    return [
        _Fit(
            components=result.components,
            patterns=patterns_of(item.activations, result.codes),
            weights=_by_channel(item.weights[wanted.weighting], item.activations.shape[1]),
            error=reconstruction_error(values, *result),
            removed=removed,
        )
        for item, (values, removed), result in zip(batch, rows, results, strict=True)
    ]


def _by_channel(weights: np.ndarray, channels: int) -> np.ndarray:
    """Weights of channels ``[C]``; ones if positions are weighted."""
    return np.ones(channels, np.float32) if weights.shape[1] == 1 != channels else weights.ravel()


def patterns_of(activations: Tensor, codes: np.ndarray) -> np.ndarray:
    r"""What a layer's activations are like where a component is: their mean, weighted by the component's codes.

    .. math:: p_j = \frac{\sum_i W_{i j} \, a_i}{\sum_i W_{i j}}

    Components live among weighted activations; patterns among the activations themselves, where patches are compared.

    Args:
        activations: ``a`` ``[n, C, h, w]``, not weighted.
        codes: ``W`` ``[n h w, k]``, not negative.

    Returns:
        ``[k, C]`` float32; zeros for a component whose codes are all zero.

    Source: ours, after the patterns of filters of Haufe et al. 2014.

    Example:
        >>> activations = torch.tensor([[1.0, 3.0], [5.0, 7.0]]).view(2, 2, 1, 1)
        >>> patterns_of(activations, np.array([[3.0], [1.0]])).tolist()
        [[2.0, 4.0]]
    """
    rows = activations.float().permute(0, 2, 3, 1).flatten(0, 2)
    weights = torch.from_numpy(np.asarray(codes, np.float32))
    sizes = weights.sum(dim=0)
    shares = torch.where(sizes > 0, weights / sizes.clamp(min=torch.finfo(torch.float32).tiny), 0)
    patterns: np.ndarray = (shares.T @ rows).numpy()
    return patterns


def nearest_rectified(layer: str, layers: Sequence[str], rectified: Collection[str]) -> str | None:
    """The layer nearest to ``layer`` whose output cannot be negative; ``None`` if there is none.

    Args:
        layer: the layer whose activations are negative.
        layers: all layers that can be cut, in the order of the network; ``name:0`` is near ``name``.
        rectified: those of them whose output cannot be negative.

    Example:
        >>> nearest_rectified("3", ["0", "1", "2", "3", "4"], ["1", "4"])
        '4'
    """
    names = list(layers)
    here = names.index(layer) if layer in names else len(names) - 1
    for name in sorted(names, key=lambda other: abs(names.index(other) - here)):
        if name != layer and name in rectified:
            return name
    return None
