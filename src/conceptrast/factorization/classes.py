"""The components of every class, from its images' activations and the attribution at each position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from conceptrast.factorization.nmf import NothingToFactorizeError, nmf, reconstruction_error
from conceptrast.files import read_arrays
from conceptrast.models.split import SplitModel


def read_attributions(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Attribution of all shards together: arrays image, target, rectified, by class and image, whatever the shards."""
    shards = [read_arrays(path) for path in paths]
    names = ("image", "target", "rectified")
    joined = {
        name: np.concatenate([shard[name] for shard in shards if len(shard["image"])] or [shards[0][name]])
        for name in names
    }
    order = np.lexsort((joined["image"], joined["target"]))
    return {name: values[order] for name, values in joined.items()}


def by_class(
    batches: Iterable[tuple[np.ndarray, Tensor]], targets: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[int, Tensor, np.ndarray]]:
    """Gather a stream of activations, ordered by class, into one item per class.

    Args:
        batches: pairs of image ids ``[n]`` and activations ``[n, C, h, w]``.
        targets: ``[M]`` class of each image of the stream.
        weights: ``[M, h, w]`` of each image of the stream.

    Returns:
        Class, its activations ``[m, C, h, w]`` and weights ``[m, h, w]``; one class is in memory at a time.
    """
    held: list[Tensor] = []
    first = done = 0
    for _, activations in batches:
        start = 0
        for at in range(len(activations)):
            last = done + 1 == len(targets) or targets[done + 1] != targets[done]
            done += 1
            if last:
                held.append(activations[start : at + 1])
                yield int(targets[done - 1]), torch.cat(held), weights[first:done]
                held, first, start = [], done, at + 1
        if start < len(activations):
            held.append(activations[start:])


def weighted_rows(activations: Tensor, weights: np.ndarray, rectify: bool = False) -> tuple[np.ndarray, float]:
    r"""Rows that a class is factorized from, and the share of them that rectifying takes away.

    .. math:: V_{(n, y, x), c} = w_{n y x} \, a_{n c y x}

    Args:
        activations: ``[n, C, h, w]``.
        weights: ``[n, h, w]``, not negative: mean over channels of the rectified attribution.
        rectify: whether negative activations become zero.

    Returns:
        ``[n h w, C]`` float32, and the removed share of :math:`\sum |V|` (0 without ``rectify``).

    Example:
        >>> rows, removed = weighted_rows(torch.tensor([3.0, -1.0]).reshape(1, 2, 1, 1), np.full((1, 1, 1), 2.0), True)
        >>> rows.tolist(), removed
        ([[6.0, 0.0]], 0.25)
    """
    values = activations.float() * torch.from_numpy(np.asarray(weights, dtype=np.float32))[:, None]
    rows = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])
    if not rectify:
        return rows.numpy(), 0.0
    mass, kept = float(rows.abs().sum(dtype=torch.float64)), rows.clamp(min=0)
    removed = 1 - float(kept.sum(dtype=torch.float64)) / mass if mass else 0.0
    return kept.numpy(), removed


def factorize_classes(
    classes: Iterable[tuple[int, Tensor, np.ndarray]],
    n_components: Sequence[int],
    seed: int = 0,
    rectify: bool = False,
) -> dict[str, np.ndarray]:
    """Components of every class.

    Args:
        classes: class, activations ``[n, C, h, w]``, weights ``[n, h, w]``, as :func:`by_class` gives.
        n_components: every number of components in use.
        seed: of the factorization.
        rectify: whether negative activations become zero; else they are an error.

    Returns:
        Arrays by name: classes ``[K]``, n_images ``[K]``, removed_mass ``[K]``; for each k in use components_k<k>
        ``[K, k, C]`` float32 and reconstruction_error_k<k> ``[K]``; skipped ``[S]`` and skipped_reason ``[S]`` for
        classes that have nothing to factorize.

    Raises:
        LayerError: negative activations without ``rectify``.
    """
    numbers, found = sorted(set(n_components)), []
    skipped: list[tuple[int, str]] = []
    for target, activations, weights in classes:
        rows, removed = weighted_rows(activations, weights, rectify)
        try:
            fits = {k: _fit(rows, k, seed) for k in numbers}
        except NothingToFactorizeError as error:
            skipped.append((target, f"the attribution leaves nothing: {error}"))
        else:
            found.append((target, len(activations), removed, fits))
    arrays = {
        "classes": np.array([entry[0] for entry in found], dtype=np.int64),
        "n_images": np.array([entry[1] for entry in found], dtype=np.int64),
        "removed_mass": np.array([entry[2] for entry in found], dtype=np.float64),
        "skipped": np.array([target for target, _ in skipped], dtype=np.int64),
        "skipped_reason": np.array([reason for _, reason in skipped], dtype=np.str_),
    }
    for k in numbers:
        of_k = [entry[3][k] for entry in found]
        arrays[f"components_k{k}"] = np.stack([fit[0] for fit in of_k]) if of_k else np.empty((0, k, 0), np.float32)
        arrays[f"reconstruction_error_k{k}"] = np.array([fit[1] for fit in of_k], dtype=np.float64)
    return arrays


def _fit(rows: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, float]:
    components, codes = nmf(rows, k, seed)
    return components, reconstruction_error(rows, components, codes)


def nearest_rectified(split_at: Callable[[str], SplitModel], layer: str, layers: Sequence[str]) -> str | None:
    """The layer nearest to ``layer`` whose output cannot be negative; ``None`` if there is none.

    Args:
        split_at: gives the model cut at a layer.
        layer: where the activations are negative.
        layers: all that can be cut, in the order of the network; ``name:0`` is near ``name``.
    """
    names = list(layers)
    here = names.index(layer) if layer in names else len(names) - 1
    for name in sorted(names, key=lambda other: abs(names.index(other) - here)):
        if name != layer and split_at(name).rectified:
            return name
    return None
