"""Clusters of a class's segments, and the decision which of them are concepts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from conceptrast.ace.options import AceOptions
from conceptrast.base.streams import Stream, generator


@dataclass(frozen=True)
class Cluster:
    """Some of a class's segments.

    ``members`` are the numbers of the segments nearest to the centre, nearest first. ``n_segments`` counts all
    segments, and ``n_images`` counts the images that they come from. ``reason`` says why the cluster is no concept; it
    is empty if the cluster is one.
    """

    members: np.ndarray
    n_segments: int
    n_images: int
    reason: str = ""


def clusters_of(rows: np.ndarray, images: np.ndarray, options: AceOptions, seed: int, target: int = 0) -> list[Cluster]:
    """k-means clusters of a class's segments. A cluster that is no concept has a reason.

    Args:
        rows: ``[S, C]``.
        images: ``[S]``, the image that each segment comes from.
        options: clusters, min_segments, max_segments.
        seed: the seed of the first centres.
        target: the class; each class has its own start.

    Returns:
        All clusters. Each keeps the ``max_segments`` members that are nearest to its centre.
    """
    # This import takes a second, and the step of the tables does not need it.
    from sklearn.cluster import KMeans

    start = int(generator(Stream.CLUSTER_CENTRES, seed, target).integers(2**31))
    # One thread only: several would add up distances in a random order.
    with threadpool_limits(limits=1):
        clustering = KMeans(min(options.clusters, len(rows)), n_init=3, random_state=start).fit(rows.astype(np.float64))
    distances = np.linalg.norm(rows - clustering.cluster_centers_[clustering.labels_], axis=1)

    # The members of each, and the reason if it is no concept.
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
    """Say why a cluster is no concept; empty if it is one.

    A concept has enough segments, and they come from enough images. One of three rules must hold. The number of images
    is above half the number of its segments; or it is above a quarter of its segments and a quarter of all images; or
    it is above a tenth of its segments and half of all images.

    Args:
        n_segments: the number of segments in the cluster.
        spread: the number of images that they come from.
        n_images: the number of images of the class.
        min_segments: the number of segments of the smallest concept.

    Source: the published code, ``discover_concepts`` (which asks for *more* than the smallest number).

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
