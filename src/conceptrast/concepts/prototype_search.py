r"""Prototypes: those patches, among all images, that are most like a component.

Notation: a bank holds ``N`` images with ``C`` channels at ``h x w`` positions (pooled activations). ``M`` is the number
of components ``[M, C]`` of all classes together. Similarity is the cosine between a component and a position. A
component or a position of zeros has similarity 0 with everything.

The search reads a stream of images, some at a time. Those cost one matrix product with all components in float32. This
result only decides which patches can be among the ``k`` best. Such patches are computed again one by one in float64. So
similarities, order and ties do not depend on how the images were cut into blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError, ShapeError
from conceptrast.base.packed_matrix import PackedMatrix

SELECTIONS = ("all", "exclude_target")
SLACK = np.float32(1e-5)
"""How far a float32 cosine may be from the exact one. For vectors of length 1 the true difference is much smaller."""

SHORTEST = 1e-15
"""Patches that are shorter are compared in float64: in float32 the squares of their activations are too small."""

NO_BOUND = -2.0
"""A number below every cosine."""

AT_ONCE = 2**24
"""Number of activations that are compared at once: 64 MiB. Smaller parts would stay in the processor's cache, but to
wake torch's threads for each takes longer than that saves."""

ROWS = 8192
"""Number of patches that are compared at once, roughly."""

WAITING = 8
"""For each of the ``k`` patches that are kept, so many candidates may wait until they are computed again."""

_FIELDS = [("component", "i8"), ("similarity", "f8"), ("image", "i8"), ("row", "i8"), ("column", "i8")]


class _Block(NamedTuple):
    """Images that are looked at together."""

    images: np.ndarray
    """``[n]`` ids."""
    activations: Tensor
    """``[n, C, h, w]``."""
    predicted: np.ndarray | None
    """``[n]`` predicted class."""


class _Candidates(NamedTuple):
    """Pairs of a component and a patch, with their similarity in float32."""

    component: np.ndarray
    number: np.ndarray
    """The image's place in its block."""
    position: np.ndarray
    """The patch's place in its image."""
    rough: np.ndarray
    is_other: np.ndarray
    """Whether the image is not predicted as the component's class, so that the pair counts in ``exclude_target``."""


class PatchSearch:
    """The best patches so far of every component, in a stream of images. Memory does not grow with the stream.

    Ties are broken by image id, row and column, lowest first.

    Args:
        components: ``[M, C]``.
        k: the number of patches that are kept for each component.
        classes: ``[M]`` the class of each component. The selection ``exclude_target`` needs it: there, images predicted
            as the component's class do not count. ``None`` keeps only the selection ``all``.
        distinct: whether each image gives a component at most one patch, its best.
        block_values: the largest number of similarities that are in memory at once.

    Raises:
        ShapeError: ``components`` is not a matrix, or ``classes`` has another length.

    Example:
        >>> search = PatchSearch(np.array([[1.0, 0.0]]), k=2)
        >>> search.update(np.array([4, 5]), torch.tensor([[1.0, 1.0], [3.0, 0.0]]).reshape(2, 2, 1, 1))
        >>> search.result()[["rank", "image", "similarity"]].round(3)
           rank  image  similarity
        0     0      5       1.000
        1     1      4       0.707
    """

    def __init__(
        self,
        components: np.ndarray | Tensor,
        k: int = 16,
        classes: np.ndarray | None = None,
        distinct: bool = False,
        block_values: int = 2**22,
    ) -> None:
        self._exact = _unit(np.asarray(components, dtype=np.float64))
        if classes is not None and len(classes) != len(self._exact):
            raise ShapeError(f"classes has {len(classes)} entries for {len(self._exact)} components")
        self._directions = PackedMatrix(torch.from_numpy(self._exact.astype(np.float32)), rows=ROWS)
        self._k = k
        self._distinct = distinct
        self._block_values = block_values
        self._classes = None if classes is None else np.asarray(classes)
        names = SELECTIONS if classes is not None else SELECTIONS[:1]
        self._best = {name: np.empty(0, _FIELDS) for name in names}
        self._floor = {name: np.full(len(self._exact), NO_BOUND, np.float32) for name in names}

    def update(self, images: np.ndarray, activations: Tensor, predicted: np.ndarray | None = None) -> None:
        """Look at more images. All patches of an image must come in one call.

        Args:
            images: ``[n]`` ids.
            activations: ``[n, C, h, w]``, pooled.
            predicted: ``[n]`` predicted class of each image; needed for ``exclude_target``.

        Raises:
            ShapeError: the channels are not those of the components, or ``predicted`` is missing.
            ConceptrastError: an activation is not finite.
        """
        if activations.ndim != 4 or activations.shape[1] != self._exact.shape[1]:
            raise ShapeError(
                f"activations {list(activations.shape)} do not fit components of {self._exact.shape[1]} channels"
            )
        if self._classes is not None and predicted is None:
            raise ShapeError("classes of the components are given: the predicted class of each image is needed too")
        # Candidates of some images at a time. Those that are near enough wait and are computed again in the end, or
        # when there are many.
        positions = activations.shape[2] * activations.shape[3]
        values = min(self._block_values // max(1, len(self._exact)), AT_ONCE // activations.shape[1])
        size = max(1, values // positions)
        block = _Block(np.asarray(images), activations.detach(), None if predicted is None else np.asarray(predicted))
        waiting: list[_Candidates] = []
        bounds = self._floor
        for start in range(0, len(images), size):
            waiting.append(self._candidates(block, start, min(start + size, len(images)), bounds))
            near, bounds = self._near(_joined(waiting), bounds)
            waiting = [near]
            if len(near.component) > WAITING * self._k * len(self._exact):
                self._look_again(block, near)
                waiting = []
                bounds = self._floor
        for near in waiting:
            self._look_again(block, near)

    def result(self) -> pd.DataFrame:
        """Component (row number), selection, rank, image, row, column, similarity (float32), best first."""
        best = np.concatenate(list(self._best.values()))
        return pd.DataFrame(
            {
                "component": best["component"],
                "selection": np.repeat(list(self._best), [len(patches) for patches in self._best.values()]),
                "rank": np.concatenate([_ranks(patches["component"]) for patches in self._best.values()]),
                "image": best["image"],
                "row": best["row"],
                "column": best["column"],
                "similarity": best["similarity"].astype(np.float32),
            }
        )

    def _candidates(self, block: _Block, start: int, stop: int, bounds: Mapping[str, np.ndarray]) -> _Candidates:
        """Patches of the images ``start`` to ``stop`` that may be among the best, by one product in float32."""
        activations = block.activations[start:stop]
        positions = activations.shape[2] * activations.shape[3]
        rough = self._rough(activations.float().cpu().permute(0, 2, 3, 1).reshape(-1, activations.shape[1]))
        # The similarity to reach, in the selection that is easier to enter.
        by_image = rough.unflatten(0, (-1, positions))
        least = self._least(bounds["all"], by_image)
        is_other = np.ones((stop - start, len(self._exact)), dtype=bool)
        if block.predicted is not None and self._classes is not None:
            is_other = block.predicted[start:stop, None] != self._classes
            others = self._least(bounds["exclude_target"], by_image, ~is_other)
            least = np.where(is_other, np.minimum(least, others), least)
        reached = by_image >= torch.from_numpy(least - SLACK)[:, None]
        places = np.flatnonzero(reached.numpy())
        patch, component = np.divmod(places, len(self._exact))
        number, position = np.divmod(patch, positions)
        return _Candidates(
            component=component,
            number=start + number,
            position=position,
            rough=rough.numpy().ravel()[places],
            is_other=is_other[number, component],
        )

    def _rough(self, patches: Tensor) -> Tensor:
        """Similarities ``[n, M]`` of patches ``[n, C]``, as exact as float32 is."""
        # The product first: the processor fetches patches from memory while it multiplies.
        product = self._directions.product(patches)
        lengths = torch.linalg.vector_norm(patches, dim=1)
        if not lengths.isfinite().all():
            raise ConceptrastError("activations are not finite: look for overflow in the model or its precision")
        short = lengths < SHORTEST
        rough = product.div_(lengths.masked_fill_(short, 1.0)[:, None])
        if short.any():
            vectors = _unit(patches[short].double().numpy())
            rough[short] = torch.from_numpy(vectors @ self._exact.T).float()
        return rough

    def _least(self, bound: np.ndarray, by_image: Tensor, left_out: np.ndarray | None = None) -> np.ndarray:
        """What a patch has to reach in a selection ``[1, M]``: the bound, or where there is none, the ``k`` best of
        the images at hand say what is enough.

        Args:
            bound: ``[M]``.
            by_image: ``[n, positions, M]`` rough similarities.
            left_out: ``[n, M]`` images that do not count for a component.
        """
        unbound = bound == NO_BOUND
        if not unbound.any() or len(by_image) < self._k:
            return bound[None]
        best = by_image.amax(1)
        if left_out is not None:
            best.masked_fill_(torch.from_numpy(left_out), NO_BOUND)
        last = best.topk(self._k, dim=0)[0][-1].numpy() - SLACK
        return np.where(unbound, np.maximum(last, NO_BOUND), bound)[None]

    def _near(
        self, candidates: _Candidates, bounds: Mapping[str, np.ndarray]
    ) -> tuple[_Candidates, dict[str, np.ndarray]]:
        """Those candidates that may still be among the ``k`` best, and what any other has to reach from now on."""
        raised = {}
        near = np.zeros(len(candidates.component), dtype=bool)
        for name, bound in bounds.items():
            order, ranks = self._ranked(name, candidates)
            last = order[ranks == self._k - 1]
            raised[name] = bound.copy()
            reached = candidates.rough[last] - SLACK
            raised[name][candidates.component[last]] = np.maximum(bound[candidates.component[last]], reached)
            near |= _counts(name, candidates) & (candidates.rough >= raised[name][candidates.component] - SLACK)
        return _Candidates(*(array[near] for array in candidates)), raised

    def _ranked(self, name: str, candidates: _Candidates) -> tuple[np.ndarray, np.ndarray]:
        """Places of the candidates of a selection by component, the best by rough similarity first, and their ranks."""
        places = np.flatnonzero(_counts(name, candidates))
        order = places[np.lexsort((-candidates.rough[places], candidates.component[places]))]
        if self._distinct:
            # Only an image's best patch keeps others out.
            images = candidates.component[order] * (candidates.number.max(initial=0) + 1) + candidates.number[order]
            order = order[np.sort(np.unique(images, return_index=True)[1])]
        return order, _ranks(candidates.component[order])

    def _look_again(self, block: _Block, candidates: _Candidates) -> None:
        """Compute candidates exactly and merge them into the best patches."""
        patches = np.empty(len(candidates.component), _FIELDS)
        patches["component"] = candidates.component
        patches["image"] = block.images[candidates.number]
        patches["row"], patches["column"] = np.divmod(candidates.position, block.activations.shape[3])
        patches["similarity"] = self._cosines(block.activations, candidates.number, patches)
        for name in self._best:
            self._merge(name, patches[_counts(name, candidates)])

    def _cosines(self, activations: Tensor, number: np.ndarray, patches: np.ndarray) -> np.ndarray:
        """Similarities of pairs of component and patch, each computed by itself and rounded to float32."""
        cosines = np.empty(len(patches))
        for start in range(0, len(patches), 256):
            part = slice(start, start + 256)
            places = (
                torch.from_numpy(np.array(field))
                for field in (number[part], patches["row"][part], patches["column"][part])
            )
            image, row, column = places
            vectors = activations[image, :, row, column].double().cpu().numpy()
            lengths = np.sqrt(np.einsum("nc,nc->n", vectors, vectors))
            products = np.einsum("nc,nc->n", vectors, self._exact[patches["component"][part]])
            cosines[part] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cosines.astype(np.float32)

    def _merge(self, name: str, candidates: np.ndarray) -> None:
        """Merge a selection's patches with its new candidates and keep the best."""
        if not len(candidates):
            return
        # Components without candidates stay as they are.
        touched = np.isin(self._best[name]["component"], candidates["component"])
        rivals = _ordered(np.concatenate([self._best[name][touched], candidates]))
        if self._distinct:
            rivals = rivals[np.sort(np.unique(rivals[["component", "image"]], return_index=True)[1])]
        rivals = rivals[_ranks(rivals["component"]) < self._k]
        kept = np.concatenate([self._best[name][~touched], rivals])
        self._best[name] = kept[np.argsort(kept["component"], kind="stable")]
        # The similarity that a patch has to reach from now on.
        components, first, count = np.unique(rivals["component"], return_index=True, return_counts=True)
        full = count == self._k
        self._floor[name][components[full]] = rivals["similarity"][(first + count - 1)[full]]


def nearest_patches(
    bank: np.ndarray | Tensor,
    components: np.ndarray | Tensor,
    k: int = 8,
    exclude: np.ndarray | None = None,
    distinct: bool = False,
) -> pd.DataFrame:
    r"""The ``k`` patches of a bank that are most like each component.

    .. math:: s = \frac{h \cdot a}{\lVert h \rVert \, \lVert a \rVert}

    Args:
        bank: ``[N, C, h, w]`` activations, pooled if a patch is to be more than one position.
        components: ``[k', C]``.
        k: the number of patches for each component; fewer if the bank has fewer.
        exclude: ``[N]`` bool, true for images that do not count.
        distinct: whether each image gives a component at most one patch, its best.

    Returns:
        Columns component, rank (from 0), image (its number in the bank), row, column, similarity (-1 to 1).

    Raises:
        ShapeError: the channels of ``bank`` and ``components`` differ.

    Source: the published code's cosine search. That code leaves ties open; here they go to the lowest image, row and
    column.

    Example:
        >>> bank = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]], [[[3.0, 1.0]], [[3.0, 0.0]]]])
        >>> nearest_patches(bank, np.array([[1.0, 0.0]]), k=2)
           component  rank  image  row  column  similarity
        0          0     0      0    0       0         1.0
        1          0     1      1    0       1         1.0
    """
    bank = torch.as_tensor(bank)
    keep = np.arange(len(bank)) if exclude is None else np.flatnonzero(~np.asarray(exclude, dtype=bool))
    search = PatchSearch(components, k=k, distinct=distinct)
    search.update(keep, bank if exclude is None else bank[torch.from_numpy(keep)])
    return search.result().drop(columns="selection")


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of ``vectors`` ``[n, C]`` divided by their length; rows of zeros stay."""
    if vectors.ndim != 2:
        raise ShapeError(f"components must be a matrix [components, channels], got shape {list(vectors.shape)}")
    lengths = np.sqrt((vectors * vectors).sum(1, keepdims=True))
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _joined(parts: Sequence[_Candidates]) -> _Candidates:
    return _Candidates(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _counts(name: str, candidates: _Candidates) -> np.ndarray:
    """Which candidates count in a selection."""
    return candidates.is_other if name == "exclude_target" else np.ones(len(candidates.component), dtype=bool)


def _ranks(components: np.ndarray) -> np.ndarray:
    """Places within a component, from 0, of sorted numbers of components ``[n]``."""
    ranks: np.ndarray = np.arange(len(components)) - np.searchsorted(components, components)
    return ranks


def _ordered(patches: np.ndarray) -> np.ndarray:
    """Sort by component, then similarity (highest first), image, row and column."""
    keys = (patches["column"], patches["row"], patches["image"], -patches["similarity"], patches["component"])
    return patches[np.lexsort(keys)]
