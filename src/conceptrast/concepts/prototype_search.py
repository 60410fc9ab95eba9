r"""Prototypes: those patches, among all images, that are most like a component.

Notation: a bank holds ``N`` images with ``C`` channels at ``h x w`` positions (pooled activations). ``M`` is the number
of components ``[M, C]`` of all classes together. Similarity is the cosine between a component and a position. A
component or a position of zeros has similarity 0 with everything.

The search reads a stream of images. Every block of images costs one matrix product with all components in float32. This
result only decides which patches can be among the ``k`` best. Those few are computed again one by one in float64. So
similarities, order and ties do not depend on how the images were cut into blocks.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError, ShapeError

SELECTIONS = ("all", "exclude_target")
SLACK = 1e-5
"""How far a float32 cosine may be from the exact one. For vectors of length 1 the true difference is much smaller."""

NO_BOUND = -2.0
"""A number below every cosine, but above the -infinity that marks patches that do not count."""

_FIELDS = [("component", "i8"), ("similarity", "f8"), ("image", "i8"), ("row", "i8"), ("column", "i8")]


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
        self._directions = torch.from_numpy(self._exact.astype(np.float32))
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
        positions = activations.shape[2] * activations.shape[3]
        size = max(1, self._block_values // max(1, len(self._exact) * positions))
        for start in range(0, len(images), size):
            stop = start + size
            self._look(
                np.asarray(images[start:stop]),
                activations[start:stop].detach().float().cpu(),
                None if predicted is None else np.asarray(predicted[start:stop]),
            )

    def result(self) -> pd.DataFrame:
        """Component (row number), selection, rank, image, row, column, similarity (float32), best first."""
        parts = []
        for name, best in self._best.items():
            table = pd.DataFrame(best)
            table.insert(1, "selection", name)
            table.insert(2, "rank", table.groupby("component").cumcount())
            parts.append(table)
        best_patches = pd.concat(parts, ignore_index=True).astype({"similarity": "float32"})
        return best_patches[["component", "selection", "rank", "image", "row", "column", "similarity"]]

    def _look(self, images: np.ndarray, activations: Tensor, predicted: np.ndarray | None) -> None:
        """Merge the patches of one block of images that may be among the best."""
        n, channels, _, width = activations.shape
        # Similarities of all patches with all components, by one product.
        patches = activations.permute(0, 2, 3, 1).reshape(-1, channels)
        lengths = torch.linalg.vector_norm(patches, dim=1)
        if not lengths.isfinite().all():
            raise ConceptrastError("activations are not finite: look for overflow in the model or its precision")
        scale = torch.where(lengths > 0, lengths.reciprocal(), 0.0)
        rough = (self._directions @ patches.T).mul_(scale).reshape(len(self._exact), n, -1)
        # The few patches that can be among the best are computed again.
        for name in self._best:
            allowed = rough
            if name == "exclude_target":
                target = torch.from_numpy(self._classes[:, None] == predicted[None, :])  # type: ignore[index]
                if target.any():
                    allowed = rough.masked_fill(target[:, :, None], -torch.inf)
            rows, flat = self._candidates(allowed, self._floor[name])
            number, position = np.divmod(flat, rough.shape[2])
            candidates = np.empty(len(rows), _FIELDS)
            candidates["component"] = rows
            candidates["image"] = images[number]
            candidates["row"], candidates["column"] = np.divmod(position, width)
            candidates["similarity"] = self._cosines(rows, flat, patches.numpy())
            self._merge(name, candidates)

    def _candidates(self, rough: Tensor, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Components and patch numbers whose similarity may be among the ``k`` best."""
        bounds = torch.from_numpy(floor.copy())
        # If the block itself has enough good patches, the bound is known, and most of the block can be skipped.
        rivals = rough.amax(2) if self._distinct else rough.flatten(1)
        waiting = (bounds == NO_BOUND).nonzero()[:, 0]
        if len(waiting) and rivals.shape[1] >= self._k:
            bounds[waiting] = rivals[waiting].topk(self._k, dim=1)[0][:, -1].clamp(min=NO_BOUND)
        rows, flat = np.nonzero((rough.flatten(1) >= (bounds - SLACK)[:, None]).numpy())
        return rows, flat

    def _cosines(self, rows: np.ndarray, flat: np.ndarray, patches: np.ndarray) -> np.ndarray:
        """Similarities of pairs, each computed by itself and rounded to float32."""
        cosines = np.empty(len(rows))
        for start in range(0, len(rows), 256):
            part = slice(start, start + 256)
            units = _unit(patches[flat[part]].astype(np.float64))
            cosines[part] = (units * self._exact[rows[part]]).sum(1)
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
        starts = np.searchsorted(rivals["component"], rivals["component"])
        rivals = rivals[np.arange(len(rivals)) - starts < self._k]
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


def _ordered(patches: np.ndarray) -> np.ndarray:
    """Sort by component, then similarity (highest first), image, row and column."""
    keys = (patches["column"], patches["row"], patches["image"], -patches["similarity"], patches["component"])
    return patches[np.lexsort(keys)]
