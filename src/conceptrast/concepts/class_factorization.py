"""The components of every class, from its images' activations and the attribution at each position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.concepts.nmf import NothingToFactorizeError, nmf, reconstruction_error, refuse_negative
from conceptrast.concepts.recipes import Factors
from conceptrast.models.split import SplitModel


def class_weights(attribution: Mapping[str, np.ndarray], weighting: str) -> np.ndarray:
    r"""The weights by which attribution scales the activations of a class before they are factorized.

    .. math::
        \text{position (published):}\quad w_{n y x} = \frac{1}{C} \sum_c \max(A_{n c y x}, 0), \qquad
        \text{channel (ours):}\quad w_c = \max\Big(\frac{1}{N} \sum_n m_{n c}, 0\Big)

    The first weighting keeps all channels of a position that matters, even channels that speak for other classes. In
    the second, an entry :math:`w_c\,a` is what the channel adds to the class's logit at that position. This holds
    exactly for a linear suffix and a baseline of zero. Channels that speak against the class are left out.

    Args:
        attribution: the attribution of one class's images: rectified ``[N, h, w]`` and multiplier ``[N, C]``.
        weighting: ``"position"`` or ``"channel"``.

    Returns:
        ``[N, 1, h, w]`` or ``[1, C, 1, 1]`` float32.

    Example:
        >>> attribution = {"rectified": np.ones((2, 1, 1)), "multiplier": np.array([[3.0, -1.0], [1.0, -3.0]])}
        >>> class_weights(attribution, "channel").ravel().tolist()
        [2.0, 0.0]
    """
    if weighting == "position":
        return attribution["rectified"][:, None].astype(np.float32)
    return np.maximum(attribution["multiplier"].mean(axis=0), 0)[None, :, None, None].astype(np.float32)


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
) -> dict[str, np.ndarray]:
    """Components of every class.

    Args:
        classes: each class with its activations ``[n, C, h, w]`` and its place among the attributed images, as
            :func:`by_class` gives.
        attribution: rectified ``[M, h, w]`` and multiplier ``[M, C]`` of all images.
        factors: every factorization in use.
        seed: the seed of the factorization.
        rectify: whether negative activations are set to zero; if not, they raise an error.

    Returns:
        Arrays by name: classes ``[K]``, n_images ``[K]``; for each of ``factors`` components_<key> ``[K, k, C]``
        float32, reconstruction_error_<key> ``[K]`` and removed_mass_<key> ``[K]``; skipped ``[S]`` and skipped_reason
        ``[S]`` for classes that have nothing to factorize.

    Raises:
        LayerError: activations are negative and ``rectify`` is off, even if their weight is 0.
    """
    factorized: list[_FactorizedClass] = []
    skipped: list[tuple[int, str]] = []
    for target, activations, place in classes:
        if not rectify:
            # This check comes before the weighting: a weight of 0 would hide negative activations.
            refuse_negative(float((activations < 0).float().mean()), "activations")
        of_class = {name: attribution[name][place] for name in ("rectified", "multiplier")}
        try:
            fits = {wanted.key: _fit(activations, of_class, wanted, seed=seed, rectify=rectify) for wanted in factors}
        except NothingToFactorizeError as error:
            skipped.append((target, f"the attribution leaves nothing: {error}"))
        else:
            factorized.append(_FactorizedClass(target=target, n_images=len(activations), fits=fits))
    arrays = {
        "classes": np.array([result.target for result in factorized], dtype=np.int64),
        "n_images": np.array([result.n_images for result in factorized], dtype=np.int64),
        "skipped": np.array([target for target, _ in skipped], dtype=np.int64),
        "skipped_reason": np.array([reason for _, reason in skipped], dtype=np.str_),
    }
    for wanted in factors:
        of_all = [result.fits[wanted.key] for result in factorized]
        components = [fit.components for fit in of_all] or [np.empty((wanted.components, 0), np.float32)]
        arrays[f"components_{wanted.key}"] = np.stack(components)[: len(of_all)]
        arrays[f"reconstruction_error_{wanted.key}"] = np.array([fit.error for fit in of_all], dtype=np.float64)
        arrays[f"removed_mass_{wanted.key}"] = np.array([fit.removed for fit in of_all], dtype=np.float64)
    return arrays


class _Fit(NamedTuple):
    """One factorization of a class: its components, their relative error, and the share that rectifying removed."""

    components: np.ndarray
    error: float
    removed: float


class _FactorizedClass(NamedTuple):
    """A class with its factorizations by :attr:`Factors.key`."""

    target: int
    n_images: int
    fits: Mapping[str, _Fit]


def _fit(
    activations: Tensor, attribution: Mapping[str, np.ndarray], factors: Factors, seed: int, rectify: bool
) -> _Fit:
    rows, removed = weighted_rows(activations, class_weights(attribution, factors.weighting), rectify)
    components, codes = nmf(rows, factors.components, seed)
    error = reconstruction_error(rows, components, codes)
    return _Fit(components=components, error=error, removed=removed)


def nearest_rectified(split_at: Callable[[str], SplitModel], layer: str, layers: Sequence[str]) -> str | None:
    """The layer nearest to ``layer`` whose output cannot be negative; ``None`` if there is none.

    Args:
        split_at: gives the model cut at a layer.
        layer: the layer whose activations are negative.
        layers: all layers that can be cut, in the order of the network; ``name:0`` is near ``name``.
    """
    names = list(layers)
    here = names.index(layer) if layer in names else len(names) - 1
    for name in sorted(names, key=lambda other: abs(names.index(other) - here)):
        if name != layer and split_at(name).rectified:
            return name
    return None
