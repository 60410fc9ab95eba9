"""Clusters of a class's segments, and which of them are concepts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from conceptrast.ace.options import AceOptions
from conceptrast.base.streams import Stream, generator


@dataclass(frozen=True)
class Cluster:
    """Some of a class's segments.

    ``members`` are the numbers of those nearest to the centre, nearest first; ``n_segments`` counts all, and
    ``n_images`` the images they come from. ``reason`` says why it is no concept, if it is none.
    """

    members: np.ndarray
    n_segments: int
    n_images: int
    reason: str = ""


def clusters_of(rows: np.ndarray, images: np.ndarray, options: AceOptions, seed: int, target: int = 0) -> list[Cluster]:
    """k-means clusters of a class's segments, each with the reason why it is no concept if it is none.

    Args:
        rows: ``[S, C]``.
        images: ``[S]``, which image each is from.
        options: clusters, min_segments, max_segments.
        seed: of the centres' start.
        target: the class; each has a start of its own.

    Returns:
        All clusters; of each the ``max_segments`` members nearest to its centre.
    """
    # Imported where it is used: it takes a second, and the step of the tables does without.
    from sklearn.cluster import KMeans

    start = int(generator(Stream.CLUSTER_CENTRES, seed, target).integers(2**31))
    # Threads would add up distances in any order.
    with threadpool_limits(limits=1):
        clustering = KMeans(min(options.clusters, len(rows)), n_init=3, random_state=start).fit(rows.astype(np.float64))
    distances = np.linalg.norm(rows - clustering.cluster_centers_[clustering.labels_], axis=1)

    # Their members, and why some are no concept.
    n_images = len(np.unique(images))
    clusters = []
    for number in range(len(clustering.cluster_centers_)):
        members = np.flatnonzero(clustering.labels_ == number)
        spread = len(np.unique(images[members]))
        reason = why_dropped(len(members), spread, n_images, options.min_segments)
        nearest = members[np.argsort(distances[members], kind="stable")]
        clusters.append(
            Cluster(
                members=nearest[: options.max_segments],
                n_segments=len(members),
                n_images=spread,
                reason=reason,
            )
        )
    return clusters


def why_dropped(n_segments: int, spread: int, n_images: int, min_segments: int) -> str:
    """Why a cluster is no concept; empty if it is one.

    A concept has enough segments, and they come from enough images: from more images than half its segments; or than a
    quarter of its segments and of all images; or than a tenth of its segments and half of all images.

    Args:
        n_segments: in the cluster.
        spread: images that they come from.
        n_images: images of the class.
        min_segments: the smallest concept.

    Source: the published code, ``discover_concepts`` (there: *more* than the smallest number).

    Example:
        >>> why_dropped(30, 16, 100, 20), why_dropped(30, 12, 100, 20)
        ('', '30 segments from 12 of 100 images: from too few images')
        >>> why_dropped(19, 19, 100, 20)
        '19 segments, fewer than ace.min_segments = 20'
    """
    if n_segments < min_segments:
        return f"{n_segments} segments, fewer than ace.min_segments = {min_segments}"
    shares = spread / n_segments, spread / n_images
    if shares[0] > 0.5 or min(shares) > 0.25 or (shares[0] > 0.1 and shares[1] > 0.5):
        return ""
    return f"{n_segments} segments from {spread} of {n_images} images: from too few images"
