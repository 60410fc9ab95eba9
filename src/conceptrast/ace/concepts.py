r"""Automatic concept-based explanations (ACE): the concepts of a class, found among superpixels of its images.

The segments of a class's images are clustered by their activations; a cluster that is large and comes from many images
is a concept. Each gets a concept activation vector (CAV) for every draw of random segments of other classes' images,
and a TCAV score with a test against CAVs between random segments.

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
from conceptrast.ace.segments import Segments
from conceptrast.ace.settings import AceSettings
from conceptrast.ace.tcav import fit_cavs, holm, tcav_scores, two_sided_p

# Streams of the draws, apart from all others of the run's seed.
_DRAWS = 72
_RANDOM = 73
_CHANCE = 74
RANDOM_SEGMENTS = "random_segments"
"""The chance row: as many segments, drawn at random from the class's."""

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
    """CAVs of some concepts, averaged over draws ``[n, C]``, and what was measured with them.

    ``accuracy`` on held-out segments ``[n]``; TCAV ``scores`` ``[n, D]``; ``derivative`` ``[n]``: mean over images and
    draws of the logit's change per unit along the CAV.
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
        segments_as: how its segments became inputs.
        table: segments_as, baseline, status, reason, concept (from 1), n_segments and n_images (of the whole cluster),
            cav_accuracy, tcav (mean over draws), tcav_sd, tcav_random (mean of the random CAVs), derivative, p_value,
            p_corrected, significant, speaks (``for``, ``against``, ``neither``). Kept concepts come first, then, with
            ``baseline`` ``random_segments``, as many segments drawn at random from the class's for each of them; then
            what was dropped or left out, with ``status`` ``skipped`` and the reason.
        tested: the kept concepts in the order of the table.
        random: scores of the random CAVs ``[D]``.
        members: of each kept concept the numbers of its segments, nearest first.
        chance: likewise for the rows with the baseline.
    """

    target: int
    segments_as: str
    table: pd.DataFrame
    tested: Tested
    random: np.ndarray
    members: Sequence[np.ndarray] = ()
    chance: Sequence[np.ndarray] = ()

    def examples(self, segments: Segments) -> pd.DataFrame:
        """The segments that stand for the concepts: concept, rank, image, segment, and shows where it is known."""
        parts = [
            segments.table.iloc[rows].assign(concept=number, rank=np.arange(len(rows)))
            for number, rows in enumerate(self.members, 1)
        ]
        order = ["concept", "rank", *segments.table.columns]
        return pd.concat(parts, ignore_index=True)[order] if parts else pd.DataFrame(columns=order)


def concepts_of_class(
    target: int,
    shape: str,
    own: Segments,
    others: Segments,
    gradients: np.ndarray,
    settings: AceSettings,
    seed: int,
) -> Concepts:
    """Cluster a class's segments and test every cluster that is kept, beside as many random handfuls of segments.

    Args:
        target: class index; each class draws for itself.
        shape: one of ``settings.segments_as``.
        own: segments of the class's images.
        others: segments of images of other classes.
        gradients: ``[N, C]``, as :func:`conceptrast.ace.tcav.class_gradients` gives.
        settings: see :class:`AceSettings`.
        seed: of clusters and draws.

    Returns:
        The concepts; a class in which nothing can be tested has rows that say why.
    """
    rows, random = own.activations[shape], others.activations[shape]
    skipped = [_skipped_row(shape, reason) for reason in _bare(own)]
    few = _too_few(len(rows), len(random), settings)
    if few:
        return nothing_found(target, shape, [few], skipped)
    found = clusters_of(rows, own.table["image"].to_numpy(), settings, seed, target)
    dropped = [_skipped_row(shape, each.reason, each) for each in found if each.reason]
    kept = [each for each in found if not each.reason]
    if not kept:
        return nothing_found(target, shape, ["no cluster is kept: see the rows of its clusters"], skipped + dropped)
    chance = tcav_scores(gradients, _random_cavs(random, settings, [seed, target, _RANDOM]))
    tested = _test([rows[each.members] for each in kept], random, gradients, settings.draws, [seed, target, _DRAWS])
    order = np.lexsort([-tested.derivative, -tested.scores.mean(axis=1)])
    tested, kept = _reordered(tested, order), [kept[place] for place in order]
    draw = np.random.default_rng([seed, target, _CHANCE])
    drawn = [draw.permutation(len(rows))[: len(each.members)] for each in kept]
    at_chance = _test([rows[each] for each in drawn], random, gradients, settings.draws, [seed, target, _CHANCE])
    images = own.table["image"].to_numpy()
    mixed = [Cluster(each, len(each), len(np.unique(images[each]))) for each in drawn]
    table = [*_rows(shape, "none", kept, tested, chance, settings.significance)]
    table += _rows(shape, RANDOM_SEGMENTS, mixed, at_chance, chance, settings.significance)
    return Concepts(
        target, shape, concept_table(table + dropped + skipped), tested, chance, [each.members for each in kept], drawn
    )


def nothing_found(
    target: int, shape: str, reasons: Sequence[str], others: Sequence[Mapping[str, Any]] = ()
) -> Concepts:
    """A class without concepts, and why."""
    none = Tested(np.empty((0, 0)), np.empty(0), np.empty((0, 0)), np.empty(0))
    rows = [_skipped_row(shape, reason) for reason in reasons]
    return Concepts(target, shape, concept_table([*rows, *others]), none, np.empty(0))


def _test(
    groups: Sequence[np.ndarray], random: np.ndarray, gradients: np.ndarray, draws: int, seed: Sequence[int]
) -> Tested:
    """CAVs of each group of segments ``[n, C]`` against ``draws`` draws of random ones."""
    parts = []
    for number, group in enumerate(groups):
        draw = np.random.default_rng([*seed, number])
        positives = np.stack([group[draw.permutation(len(group))] for _ in range(draws)])
        negatives = np.stack([random[draw.permutation(len(random))[: len(group)]] for _ in range(draws)])
        cavs = fit_cavs(positives, negatives)
        mean = cavs.vectors.mean(axis=0)
        parts.append(
            (
                mean / max(float(np.linalg.norm(mean)), np.finfo(float).tiny),
                cavs.accuracy.mean(),
                tcav_scores(gradients, cavs.vectors),
                (gradients @ cavs.vectors.T).mean(),
            )
        )
    return Tested(*(np.stack(values) for values in zip(*parts, strict=True)))


def _random_cavs(random: np.ndarray, settings: AceSettings, seed: Sequence[int]) -> np.ndarray:
    """CAVs ``[D, C]`` between random segments and other random segments."""
    draw, size = np.random.default_rng([*seed]), min(settings.max_segments, len(random) // 2)
    orders = np.stack([draw.permutation(len(random))[: 2 * size] for _ in range(settings.draws)])
    return fit_cavs(random[orders[:, :size]], random[orders[:, size:]]).vectors


def _reordered(tested: Tested, order: np.ndarray) -> Tested:
    return Tested(*(getattr(tested, field.name)[order] for field in fields(tested)))


def _rows(
    shape: str, baseline: str, clusters: Sequence[Cluster], tested: Tested, random: np.ndarray, significance: float
) -> list[dict[str, Any]]:
    """One row a concept."""
    p_values = np.array([two_sided_p(scores, random) for scores in tested.scores])
    found = []
    for place, corrected in enumerate(holm(p_values)):
        scores, significant = tested.scores[place], bool(corrected <= significance)
        side = FOR if scores.mean() > random.mean() else AGAINST
        row = {"segments_as": shape, "baseline": baseline, "status": "ok", "reason": "", "concept": place + 1}
        row |= {"n_segments": clusters[place].n_segments, "n_images": clusters[place].n_images}
        row |= {"cav_accuracy": tested.accuracy[place], "tcav": scores.mean(), "tcav_sd": scores.std(ddof=1)}
        row |= {"tcav_random": random.mean(), "derivative": tested.derivative[place]}
        row |= {"p_value": p_values[place], "p_corrected": corrected, "significant": significant}
        found.append(row | {"speaks": side if significant else NEITHER})
    return found


def _skipped_row(shape: str, reason: str, cluster: Cluster | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"segments_as": shape, "baseline": "none", "status": "skipped", "reason": reason}
    return row if cluster is None else row | {"n_segments": cluster.n_segments, "n_images": cluster.n_images}


def concept_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the columns of :attr:`Concepts.table`."""
    table = pd.DataFrame(list(rows), columns=[*HEAD, *NUMBERS])
    return table.astype(dict.fromkeys(("concept", "n_segments", "n_images"), "Int64") | {"significant": "boolean"})


def _bare(own: Segments) -> list[str]:
    """What to say of images that have no superpixels."""
    if not own.bare:
        return []
    listed = ", ".join(map(str, own.bare[:10])) + (", …" if len(own.bare) > 10 else "")
    return [f"{len(own.bare)} image(s) without superpixels (one colour, or one segment) are left out: {listed}"]


def _too_few(n_own: int, n_random: int, settings: AceSettings) -> str:
    """Why a class cannot be tested; empty if it can."""
    if n_own < settings.min_segments:
        return f"its images have {n_own} segments, fewer than ace.min_segments = {settings.min_segments}"
    if n_random < 2 * settings.min_segments:
        return f"images of other classes have {n_random} segments; twice ace.min_segments are needed"
    return ""
