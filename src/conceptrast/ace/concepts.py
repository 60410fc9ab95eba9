r"""Automatic concept-based explanations (ACE): the concepts of a class, found among superpixels of its images.

The segments of a class's images are clustered by their activations. A cluster is a concept if it is large and comes
from many images. For every draw of random segments from other classes' images, each concept gets a concept activation
vector (CAV) and a TCAV score. A test compares the scores with those of CAVs between random segments.

Notation: ``X`` activations of the class's segments ``[S, C]``, ``R`` of random segments ``[M, C]``, ``G`` gradients of
the class's logit ``[N, C]`` at its images, ``D`` draws.

Source: Ghorbani et al. 2019 (arXiv 1902.03129) and the code that accompanies it; Kim et al. 2018 (arXiv 1711.11279).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.ace.clustering import Cluster, clusters_of
from conceptrast.ace.options import AceOptions
from conceptrast.ace.segments import Segments
from conceptrast.ace.tcav import fit_cavs, holm, tcav_scores, two_sided_p
from conceptrast.base.streams import Stream, generator

RANDOM_SEGMENTS = "random_segments"
"""The name of the chance row: equally many segments, drawn at random from the class."""

FOR = "for"
AGAINST = "against"
NEITHER = "neither"
NUMBERS = (
    *("concept", "n_segments", "n_images", "cav_accuracy", "tcav", "tcav_sd", "tcav_random", "derivative"),
    *("p_value", "p_corrected", "significant", "speaks"),
)
HEAD = ("segments_as", "baseline", "status", "reason")


@dataclass(frozen=True)
class Tested:
    """CAVs of some concepts, averaged over draws ``[n, C]``, and the measurements with them.

    ``accuracy`` ``[n]`` is measured on held-out segments. ``scores`` ``[n, D]`` are TCAV scores. ``derivative`` ``[n]``
    is the logit's change per unit along the CAV, averaged over images and draws.
    """

    cavs: np.ndarray
    accuracy: np.ndarray
    scores: np.ndarray
    derivative: np.ndarray


@dataclass(frozen=True)
class Concepts:
    """The concepts of one class, strongest first.

    Args:
        target: class index.
        segments_as: the way in which its segments became inputs.
        table: segments_as, baseline, status, reason, concept (from 1), n_segments and n_images (of the whole cluster),
            cav_accuracy, tcav (mean over draws), tcav_sd, tcav_random (mean of the random CAVs), derivative, p_value,
            p_corrected, significant, speaks (``for``, ``against``, ``neither``). Kept concepts come first. Then each of
            them has a row with ``baseline`` ``random_segments``: equally many segments, drawn at random from the class.
            Last come clusters and images that were left out, with ``status`` ``skipped`` and the reason.
        tested: the kept concepts in the order of the table.
        random: the scores of the random CAVs ``[D]``.
        members: for each kept concept, the numbers of its segments, nearest first.
        chance: for each row of the baseline, the numbers of its segments.
    """

    target: int
    segments_as: str
    table: pd.DataFrame
    tested: Tested
    random: np.ndarray
    members: Sequence[np.ndarray] = ()
    chance: Sequence[np.ndarray] = ()

    def examples(self, segments: Segments) -> pd.DataFrame:
        """The segments that stand for the concepts: concept, rank, image, segment, and shows if that is known."""
        parts = [
            segments.table.iloc[rows].assign(concept=number, rank=np.arange(len(rows)))
            for number, rows in enumerate(self.members, 1)
        ]
        order = ["concept", "rank", *segments.table.columns]
        return pd.concat(parts, ignore_index=True)[order] if parts else pd.DataFrame(columns=order)


def concepts_of_class(
    target: int,
    shape: str,
    segments: Segments,
    others: Segments,
    gradients: np.ndarray,
    options: AceOptions,
    seed: int,
) -> Concepts:
    """Cluster a class's segments and test every kept cluster beside a random group of equally many segments.

    Args:
        target: class index; each class has its own draws.
        shape: one of ``options.segments_as``.
        segments: the segments of the class's images.
        others: the segments of images of other classes.
        gradients: ``[N, C]``, as :func:`conceptrast.ace.tcav.class_gradients` gives.
        options: see :class:`AceOptions`.
        seed: the seed of clusters and draws.

    Returns:
        The concepts. If nothing can be tested in a class, its rows say why.
    """
    rows = segments.activations[shape]
    random = others.activations[shape]
    images = segments.table["image"].to_numpy()

    # The clusters that are concepts.
    skipped = [_skipped_row(shape, reason) for reason in _without_superpixels(segments)]
    few = _too_few(len(rows), len(random), options)
    if few:
        return no_concepts(target, shape, [few], skipped)
    clusters = clusters_of(rows, images, options, seed=seed, target=target)
    dropped = [_skipped_row(shape, cluster.reason, cluster) for cluster in clusters if cluster.reason]
    kept = [cluster for cluster in clusters if not cluster.reason]
    if not kept:
        return no_concepts(target, shape, ["no cluster is kept: see the rows of its clusters"], skipped + dropped)

    # The tests of these concepts, strongest first.
    draws = options.draws
    random_scores = tcav_scores(gradients, _random_cavs(random, options, (Stream.RANDOM_CAVS, seed, target)))
    members = [rows[cluster.members] for cluster in kept]
    tested = _test(members, random, gradients, draws=draws, key=(Stream.CONCEPT_CAVS, seed, target))
    order = np.lexsort([-tested.derivative, -tested.scores.mean(axis=1)])
    tested = _reordered(tested, order)
    kept = [kept[place] for place in order]

    # A random group of equally many segments for each concept.
    draw = generator(Stream.CHANCE_SEGMENTS, seed, target)
    handfuls = [draw.permutation(len(rows))[: len(cluster.members)] for cluster in kept]
    members = [rows[numbers] for numbers in handfuls]
    tested_handfuls = _test(members, random, gradients, draws=draws, key=(Stream.CHANCE_CAVS, seed, target))
    mixed = [
        Cluster(members=numbers, n_segments=len(numbers), n_images=len(np.unique(images[numbers])))
        for numbers in handfuls
    ]

    # All rows in one table.
    head = {"segments_as": shape, "baseline": "none", "status": "ok", "reason": ""}
    table = _rows(head, kept, tested, random=random_scores, significance=options.significance)
    head |= {"baseline": RANDOM_SEGMENTS}
    table += _rows(head, mixed, tested_handfuls, random=random_scores, significance=options.significance)
    return Concepts(
        target=target,
        segments_as=shape,
        table=concept_table(table + dropped + skipped),
        tested=tested,
        random=random_scores,
        members=[cluster.members for cluster in kept],
        chance=handfuls,
    )


def no_concepts(target: int, shape: str, reasons: Sequence[str], others: Sequence[Mapping[str, Any]] = ()) -> Concepts:
    """The result for a class without concepts, with the reasons.

    Args:
        target: class index.
        shape: the shape of the segments; one of ``options.segments_as``.
        reasons: the reasons; each becomes a row with status ``skipped``.
        others: the rows of clusters that are no concepts.

    Example:
        >>> no_concepts(0, "resized", ["its images have 3 segments"]).table[["status", "reason"]].values.tolist()
        [['skipped', 'its images have 3 segments']]
    """
    rows = [_skipped_row(shape, reason) for reason in reasons]
    return Concepts(
        target=target,
        segments_as=shape,
        table=concept_table([*rows, *others]),
        tested=Tested(cavs=np.empty((0, 0)), accuracy=np.empty(0), scores=np.empty((0, 0)), derivative=np.empty(0)),
        random=np.empty(0),
    )


def _test(
    groups: Sequence[np.ndarray], random: np.ndarray, gradients: np.ndarray, draws: int, key: tuple[Stream, int, int]
) -> Tested:
    """CAVs of each group of segments ``[n, C]``, against ``draws`` draws of random segments."""
    cavs = []
    accuracy = []
    scores = []
    derivative = []
    for number, group in enumerate(groups):
        # A CAV for every draw.
        draw = generator(*key, number)
        positives = np.stack([group[draw.permutation(len(group))] for _ in range(draws)])
        negatives = np.stack([random[draw.permutation(len(random))[: len(group)]] for _ in range(draws)])
        cavs_of_group = fit_cavs(positives, negatives)
        # The mean of the CAVs, scaled to length 1, and the measurements.
        mean = cavs_of_group.vectors.mean(axis=0)
        cavs.append(mean / max(float(np.linalg.norm(mean)), np.finfo(float).tiny))
        accuracy.append(cavs_of_group.accuracy.mean())
        scores.append(tcav_scores(gradients, cavs_of_group.vectors))
        derivative.append((gradients @ cavs_of_group.vectors.T).mean())
    return Tested(
        cavs=np.stack(cavs),
        accuracy=np.stack(accuracy),
        scores=np.stack(scores),
        derivative=np.stack(derivative),
    )


def _random_cavs(random: np.ndarray, options: AceOptions, key: tuple[Stream, int, int]) -> np.ndarray:
    """CAVs ``[D, C]`` between random segments and other random segments."""
    draw = generator(*key)
    size = min(options.max_segments, len(random) // 2)
    orders = np.stack([draw.permutation(len(random))[: 2 * size] for _ in range(options.draws)])
    return fit_cavs(random[orders[:, :size]], random[orders[:, size:]]).vectors


def _reordered(tested: Tested, order: np.ndarray) -> Tested:
    return Tested(*(getattr(tested, field.name)[order] for field in fields(tested)))


def _rows(
    head: Mapping[str, Any], clusters: Sequence[Cluster], tested: Tested, random: np.ndarray, significance: float
) -> list[dict[str, Any]]:
    """One row for each concept; ``random`` are the scores of the random CAVs."""
    p_values = np.array([two_sided_p(scores, random) for scores in tested.scores])
    rows = []
    for place, corrected in enumerate(holm(p_values)):
        scores = tested.scores[place]
        significant = bool(corrected <= significance)
        side = FOR if scores.mean() > random.mean() else AGAINST
        row = {**head, "concept": place + 1}
        row |= {"n_segments": clusters[place].n_segments, "n_images": clusters[place].n_images}
        row |= {"cav_accuracy": tested.accuracy[place], "tcav": scores.mean(), "tcav_sd": scores.std(ddof=1)}
        row |= {"tcav_random": random.mean(), "derivative": tested.derivative[place]}
        row |= {"p_value": p_values[place], "p_corrected": corrected, "significant": significant}
        rows.append(row | {"speaks": side if significant else NEITHER})
    return rows


def _skipped_row(shape: str, reason: str, cluster: Cluster | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"segments_as": shape, "baseline": "none", "status": "skipped", "reason": reason}
    return row if cluster is None else row | {"n_segments": cluster.n_segments, "n_images": cluster.n_images}


def concept_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the columns of :attr:`Concepts.table`."""
    table = pd.DataFrame(list(rows), columns=[*HEAD, *NUMBERS])
    return table.astype(dict.fromkeys(("concept", "n_segments", "n_images"), "Int64") | {"significant": "boolean"})


def _without_superpixels(segments: Segments) -> list[str]:
    """A message about the images that have no superpixels, if there are any."""
    bare = segments.bare
    if not bare:
        return []
    listed = ", ".join(map(str, bare[:10])) + (", …" if len(bare) > 10 else "")
    return [f"{len(bare)} image(s) without superpixels (one colour, or one segment) are left out: {listed}"]


def _too_few(n_segments: int, n_random: int, options: AceOptions) -> str:
    """Say why a class cannot be tested; empty if it can."""
    if n_segments < options.min_segments:
        return f"its images have {n_segments} segments, fewer than ace.min_segments = {options.min_segments}"
    if n_random < 2 * options.min_segments:
        return f"images of other classes have {n_random} segments; twice ace.min_segments are needed"
    return ""
