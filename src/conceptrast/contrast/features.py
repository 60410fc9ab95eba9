r"""Contrast features: those activation vectors of a class that speak for the class.

Notation: ``a`` activations ``[N, C, h, w]`` of a class's images, ``A`` their attribution maps ``[N, h, w]`` (mean over
channels), ``F`` features ``[n, C]``, one row for each chosen position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.base.files import read_array
from conceptrast.base.streams import Stream, generator

MAPS = ("raw", "rectified")
"""Kinds of attribution map that can choose positions; the published code takes ``raw`` here."""

THRESHOLD = 0.25
"""Published: a position is chosen if its attribution exceeds this share of the largest in its image."""

LEAST_IMAGES = 2
"""Number of images with features that a class needs: one to fit with and one to hold out."""

#: The arrays about classes in a file of features, with their types.
HEADS = {"classes": np.int64, "class_names": np.str_, "n_images": np.int64, "n_features": np.int64, "reason": np.str_}


@dataclass(frozen=True)
class Features:
    """Features of one class, image by image.

    Attributes:
        vectors: ``[n, C]`` float32.
        images: ``[n]`` the id of the image that each row comes from.
    """

    vectors: np.ndarray
    images: np.ndarray

    def split(self, target: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to fit with, ``[n', C]``, and rows of held-out images, ``[n'', C]``.

        Args:
            target: the class; each class has its own draw.
            share: the share of the images that is held out, 0 to 1. Above 0, at least one image is held out, but never
                all.
            seed: the seed of the draw.

        Example:
            >>> features = Features(np.arange(4.0).reshape(4, 1), np.array([7, 7, 8, 9]))
            >>> fit, held_out = features.split(target=0, share=0.4, seed=0)
            >>> len(fit) + len(held_out), set(fit.ravel()) & set(held_out.ravel())
            (4, set())
        """
        images = np.unique(self.images)
        count = min(max(1, round(share * len(images))), len(images) - 1) if share > 0 else 0
        drawn = generator(Stream.HELD_OUT_FEATURES, seed, target).permutation(images)[:count]
        out = np.isin(self.images, drawn)
        return self.vectors[~out], self.vectors[out]


def telling_positions(maps: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    r"""The positions whose attribution exceeds a share of the largest attribution in their image.

    .. math:: A_{n y x} > \tau \max_{y', x'} A_{n y' x'}

    Args:
        maps: ``[N, h, w]``, in units of the logit.
        threshold: :math:`\tau`, 0 to 1.

    Returns:
        ``[N, h, w]`` bool. An image without positive attribution has no such position.

    Source: arXiv 2502.03422 and its code. The code uses the *raw* channel mean here and the rectified mean for NMF.

    Example:
        >>> telling_positions(np.array([[[1.0, 0.25, 0.5]], [[-1.0, -2.0, 0.0]]])).tolist()
        [[[True, False, True]], [[False, False, False]]]
    """
    return maps > threshold * maps.max(axis=(1, 2), keepdims=True)


def contrast_features(
    activations: Tensor, maps: np.ndarray, images: np.ndarray, threshold: float = THRESHOLD
) -> Features:
    """The activation vectors at the telling positions of one class's images.

    Args:
        activations: ``[N, C, h, w]``.
        maps: ``[N, h, w]`` attribution, mean over channels.
        images: ``[N]`` ids.
        threshold: see :func:`telling_positions`.

    Returns:
        The features, in the order of images, rows and columns.

    Raises:
        ShapeError: activations, maps and images do not fit each other.

    Example:
        >>> activations = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
        >>> features = contrast_features(activations, np.array([[[0.1, 1.0]]]), np.array([5]))
        >>> features.vectors.tolist(), features.images.tolist()
        ([[2.0, 4.0]], [5])
    """
    if (len(activations), *activations.shape[2:]) != maps.shape or len(images) != len(maps):
        raise ShapeError(
            f"activations {list(activations.shape)}, maps {list(maps.shape)} and {len(images)} images do not fit"
        )
    telling = telling_positions(maps, threshold)
    rows = activations.permute(0, 2, 3, 1)[torch.from_numpy(telling)]
    return Features(rows.float().numpy(), np.repeat(images, telling.sum(axis=(1, 2))))


def features_of_classes(
    classes: Iterable[tuple[int, Tensor, slice]],
    attribution: Mapping[str, np.ndarray],
    names: Sequence[str],
    maps: str = "raw",
    threshold: float = THRESHOLD,
) -> dict[str, np.ndarray]:
    """The features of every class, in the form of one file.

    Args:
        classes: each class with its activations ``[N, C, h, w]`` and its place among the attributed images, as
            :func:`conceptrast.concepts.attributed_images.by_class` gives.
        attribution: image ``[M]`` and the maps ``[M, h, w]`` of all images.
        names: the names of the model's classes.
        maps: one of :data:`MAPS`; it chooses the positions.
        threshold: see :func:`telling_positions`.

    Returns:
        Arrays by name: classes ``[K]``, class_names ``[K]``, n_images ``[K]`` (attributed), n_features ``[K]``, reason
        ``[K]`` (why a class cannot be contrasted; empty if it can), and for each class vectors_<class> ``[n, C]``
        and images_<class> ``[n]``.
    """
    facts: list[tuple[int, str, int, int, str]] = []
    arrays: dict[str, np.ndarray] = {}
    for target, activations, place in classes:
        features = contrast_features(activations, attribution[maps][place], attribution["image"][place], threshold)
        facts.append((target, names[target], len(activations), len(features.images), _reason(features)))
        arrays |= {f"vectors_{target}": features.vectors, f"images_{target}": features.images}
    columns = list(zip(*facts, strict=True)) or [()] * len(HEADS)
    return {
        name: np.array(column, dtype=kind) for (name, kind), column in zip(HEADS.items(), columns, strict=True)
    } | arrays


def _reason(features: Features) -> str:
    images = len(np.unique(features.images))
    if images == 0:
        return "no position of its images speaks for the class"
    if images < LEAST_IMAGES:
        return f"only {images} of its images speaks for the class somewhere; {LEAST_IMAGES} are needed"
    return ""


class FeatureBank(Mapping[int, Features]):
    """The features of all classes that can be contrasted. They are read from their files when someone asks for them.

    Args:
        files: the files with the results of :func:`features_of_classes`, one for each shard of classes.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._file_of: dict[int, Path] = {}
        for path in files:
            with np.load(path, allow_pickle=False) as arrays:
                usable = arrays["classes"][arrays["reason"] == ""]
            self._file_of |= dict.fromkeys(usable.tolist(), path)

    def __getitem__(self, target: int) -> Features:
        path = self._file_of[target]
        return Features(read_array(path, f"vectors_{target}"), read_array(path, f"images_{target}"))

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._file_of))

    def __len__(self) -> int:
        return len(self._file_of)


def class_table(files: Sequence[Path]) -> pd.DataFrame:
    """What each class has for contrasts: its images and features, or the reason why it cannot be used.

    Args:
        files: the feature files of all shards.

    Returns:
        class, class_name, n_images, n_features, status (``ok`` or ``skipped``), reason; by class.
    """
    heads = {"classes": "class", "class_names": "class_name", "n_images": "n_images", "n_features": "n_features"}
    parts = []
    for path in files:
        part = pd.DataFrame({title: read_array(path, name) for name, title in heads.items()})
        reasons = read_array(path, "reason")
        parts.append(part.assign(status=np.where(reasons == "", "ok", "skipped"), reason=reasons))
    return pd.concat(parts, ignore_index=True).sort_values("class", ignore_index=True)
