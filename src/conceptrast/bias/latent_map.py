"""A latent space as a flat map, and its discriminant direction as an arrow on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conceptrast.base.streams import Stream, generator
from conceptrast.bias.autoencoder import plain_preprocess
from conceptrast.bias.latent_space import ConditionPictures, LatentSpace
from conceptrast.data.view_pixels import pixels

TRAINING = 300
"""Number of training pictures on a map at most."""
BOXES = 7


@dataclass(frozen=True)
class Box:
    """A validation picture ``[H, W, 3]`` near the arrow of a map, its place ``[2]`` there and its label."""

    place: np.ndarray
    picture: np.ndarray
    label: int


@dataclass(frozen=True)
class LatentMap:
    """Codes on a map. The map is turned so that positions along the direction rise to the right.

    Args:
        places: ``[n, 2]``, their mean at 0: training pictures, then validation pictures.
        labels: ``[n]``, 0 or 1.
        n_training: the number of training pictures.
        class_names: the names of class 1 and class 2.
        arrow: the start and the end of the arrow on the horizontal through 0.
        explained: the share of the positions' variance that a linear function of the place explains.
        boxes: pictures along the arrow, from its start to its end.
    """

    places: np.ndarray
    labels: np.ndarray
    n_training: int
    class_names: tuple[str, str]
    arrow: tuple[float, float]
    explained: float
    boxes: Sequence[Box]


def latent_map(space: LatentSpace, pictures: ConditionPictures, size: int, seed: int = 0) -> LatentMap:
    """The t-SNE map of a space's training and validation codes, with pictures along its arrow.

    A map is no projection, so the direction has no place of its own in it. The arrow points where positions rise
    fastest when they are fitted linearly to the map's two coordinates. It reaches from the 5th to the 95th percentile
    of the pictures, through their middle. A map has no up or down, so it is turned until the arrow points to the right.

    Args:
        space: codes and positions.
        pictures: the pictures of the condition.
        size: side of the drawn pictures in pixels.
        seed: the seed of the map, and of the training pictures on it: :data:`TRAINING` of them at most.
    """
    # The map of some training pictures and all validation pictures.
    labels = pictures.part("train")["label"].to_numpy()
    chosen = np.sort(generator(Stream.LATENT_MAP, seed).permutation(len(labels))[:TRAINING])
    codes = np.concatenate([space.training[chosen], space.codes])
    places, start, end, explained = turned_right(tsne(codes, seed), space.direction.positions(codes))

    # The validation pictures nearest to equally spaced points of the arrow.
    validation = space.positions
    validation_places = places[len(chosen) :]
    points = np.stack([np.linspace(start, end, BOXES), np.zeros(BOXES)], axis=1)
    rows = nearest_places(validation_places, points)
    table = pictures.part("validation").iloc[rows]
    preprocess = plain_preprocess(size)
    drawn = [pixels(preprocess.view(pictures.dataset.picture(row))) for row in table.itertuples()]
    return LatentMap(
        places=places,
        labels=np.concatenate([labels[chosen], validation["label"].to_numpy()]),
        n_training=len(chosen),
        class_names=space.class_names,
        arrow=(start, end),
        explained=explained,
        boxes=[
            Box(validation_places[row], picture, int(validation["label"].iloc[row]))
            for row, picture in zip(rows, drawn, strict=True)
        ],
    )


def nearest_places(places: np.ndarray, points: np.ndarray) -> list[int]:
    """For each point ``[P, 2]`` the row of the nearest of ``places`` ``[n, 2]``. Points take turns; no row comes twice.

    Example:
        >>> nearest_places(np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.1]]))
        [0, 1]
    """
    rows: list[int] = []
    for point in points[: len(places)]:
        distances = np.linalg.norm(places - point, axis=1)
        distances[rows] = np.inf
        rows.append(int(distances.argmin()))
    return rows


def tsne(codes: np.ndarray, seed: int) -> np.ndarray:
    """A flat map of codes by scikit-learn's t-SNE, started from the principal components.

    Args:
        codes: ``[n, C]``.
        seed: the seed of t-SNE.

    Returns:
        ``[n, 2]``, without unit.
    """
    from sklearn.manifold import TSNE

    state = int(generator(Stream.LATENT_MAP, seed).integers(2**31))
    perplexity = min(30.0, (len(codes) - 1) / 3)
    # One thread: with several, the sum of forces would be rounded in another order each time.
    # Half of the usual steps are enough for some hundred points.
    map_of = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=state, n_jobs=1)
    return map_of.fit_transform(codes)


def turned_right(places: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """Turn a map about its middle so that positions rise to the right, and give the arrow that shows this.

    Args:
        places: ``[n, 2]`` on the map.
        positions: ``[n]``.

    Returns:
        The places ``[n, 2]``, the start and the end of the arrow on the horizontal through 0, and the share of the
        positions' variance that a linear function of the place explains.

    Example:
        >>> places, start, end, explained = turned_right(
        ...     np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]]), np.array([1.0, 1.0, 0.0, 0.0]))
        >>> np.abs(places).round(6).tolist()[0], round(start, 6), round(end, 6), round(explained, 6)
        ([2.0, 1.0], -2.0, 2.0, 1.0)
    """
    # The slope of a linear fit.
    around = places - places.mean(axis=0)
    centred = positions - positions.mean()
    slope = np.linalg.lstsq(around, centred, rcond=None)[0]
    length = float(np.linalg.norm(slope))
    # The map, with the slope to the right.
    unit = slope / length if length > 0 else np.array([1.0, 0.0])
    turned = around @ np.array([[unit[0], -unit[1]], [unit[1], unit[0]]])
    start, end = np.quantile(turned[:, 0], [0.05, 0.95]).tolist()
    # The share of the variance that the fit explains.
    total = float((centred**2).sum())
    missed = float(((centred - around @ slope) ** 2).sum())
    return turned, start, end, 1 - missed / total if total > 0 else 0.0
