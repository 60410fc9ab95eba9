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
from threadpoolctl import threadpool_limits

from conceptrast.ace.segments import Segments
from conceptrast.ace.tcav import fit_cavs, holm, tcav_scores, two_sided_p
from conceptrast.base.streams import Stream, generator

CHANCE = "random_segments"
FOR, AGAINST, NEITHER = "for", "against", "neither"
NUMBERS = (
    *("concept", "n_segments", "n_images", "cav_accuracy", "tcav", "tcav_sd", "tcav_random", "derivative"),
    *("p_value", "p_corrected", "significant", "speaks"),
)
HEAD = ("segments_as", "baseline", "status", "reason")


@dataclass(frozen=True)
class AceSettings:
    """How concepts are found; defaults as published.

    Args:
        segments: numbers of superpixels that a picture is cut into, one after the other.
        segments_as: how segments become inputs, ``resized`` or ``in_place``; with both, both are reported.
        images: of a class that are cut at most.
        random_images: of other classes that are cut.
        clusters: of a class's segments.
        min_segments: a smaller cluster is no concept.
        max_segments: nearest to its centre that stand for a concept.
        draws: of random segments, each with a CAV of its own.
        significance: highest corrected p-value of a significant concept.
    """

    segments: Sequence[int] = (15, 50, 80)
    segments_as: Sequence[str] = ("resized",)
    images: int = 50
    random_images: int = 50
    clusters: int = 25
    min_segments: int = 20
    max_segments: int = 40
    draws: int = 20
    significance: float = 0.01

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> AceSettings:
        """From an entry of a configuration, which has all of them."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})


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
    chance = tcav_scores(gradients, _random_cavs(random, settings, (Stream.RANDOM_CAVS, seed, target)))
    tested = _test(
        [rows[each.members] for each in kept], random, gradients, settings.draws, (Stream.CONCEPT_CAVS, seed, target)
    )
    order = np.lexsort([-tested.derivative, -tested.scores.mean(axis=1)])
    tested, kept = _reordered(tested, order), [kept[place] for place in order]
    draw = generator(Stream.CHANCE_SEGMENTS, seed, target)
    drawn = [draw.permutation(len(rows))[: len(each.members)] for each in kept]
    at_chance = _test(
        [rows[each] for each in drawn], random, gradients, settings.draws, (Stream.CHANCE_CAVS, seed, target)
    )
    images = own.table["image"].to_numpy()
    mixed = [Cluster(each, len(each), len(np.unique(images[each]))) for each in drawn]
    table = [*_rows(shape, "none", kept, tested, chance, settings.significance)]
    table += _rows(shape, CHANCE, mixed, at_chance, chance, settings.significance)
    return Concepts(
        target, shape, _table(table + dropped + skipped), tested, chance, [each.members for each in kept], drawn
    )


def clusters_of(
    rows: np.ndarray, images: np.ndarray, settings: AceSettings, seed: int, target: int = 0
) -> list[Cluster]:
    """k-means clusters of a class's segments, each with the reason why it is no concept if it is none.

    Args:
        rows: ``[S, C]``.
        images: ``[S]``, which image each is from.
        settings: clusters, min_segments, max_segments.
        seed: of the centres' start.
        target: the class; each starts for itself.

    Returns:
        All clusters; of each the ``max_segments`` members nearest to its centre.
    """
    # Imported where it is used: it takes a second, and the step of the tables does without.
    from sklearn.cluster import KMeans

    start = int(generator(Stream.CLUSTER_CENTRES, seed, target).integers(2**31))
    # Threads would add up distances in any order.
    with threadpool_limits(limits=1):
        fitted = KMeans(min(settings.clusters, len(rows)), n_init=3, random_state=start).fit(rows.astype(np.float64))
    distances = np.linalg.norm(rows - fitted.cluster_centers_[fitted.labels_], axis=1)
    n_images, found = len(np.unique(images)), []
    for number in range(len(fitted.cluster_centers_)):
        members = np.flatnonzero(fitted.labels_ == number)
        spread = len(np.unique(images[members]))
        reason = why_dropped(len(members), spread, n_images, settings.min_segments)
        nearest = members[np.argsort(distances[members], kind="stable")]
        found.append(Cluster(nearest[: settings.max_segments], len(members), spread, reason))
    return found


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


def strongest_cav(arrays: Mapping[str, np.ndarray], target: int) -> tuple[str, np.ndarray] | None:
    """The CAV of the significant concept that speaks for a class most: the highest TCAV score, then derivative.

    Args:
        arrays: as :func:`cav_arrays` makes and ``ace.npz`` holds.
        target: class index.

    Returns:
        Name of the concept and its CAV ``[C]`` of length 1; nothing if no concept of the class is significant and
        scores above the random CAVs.

    Example:
        >>> arrays = {"classes": np.array([4, 4]), "concepts": np.array(["a", "b"]), "cavs": np.eye(2),
        ...     "significant": np.array([True, True]), "tcav": np.array([1.0, 0.0]), "tcav_random": np.full(2, 0.5),
        ...     "derivative": np.array([0.3, -0.2])}
        >>> strongest_cav(arrays, 4), strongest_cav(arrays, 5)
        (('a', array([1., 0.])), None)
    """
    usable = (arrays["classes"] == target) & arrays["significant"] & (arrays["tcav"] > arrays["tcav_random"])
    if not usable.any():
        return None
    order = np.lexsort([-arrays["derivative"], -arrays["tcav"], ~usable])
    return str(arrays["concepts"][order[0]]), arrays["cavs"][order[0]]


def cav_arrays(found: Sequence[Concepts], names: Sequence[str] | Mapping[int, str]) -> dict[str, np.ndarray]:
    """The kept concepts of all classes as arrays: ``n`` of them, ``D`` draws.

    Args:
        found: one of each class, all with the same shape of segments.
        names: of the model's classes, by index.

    Returns:
        classes ``[n]``, concepts ``[n]`` (names), cavs ``[n, C]`` float32 of length 1, tcav, tcav_random, derivative,
        p_value, p_corrected ``[n]``, significant ``[n]`` bool, scores ``[n, D]``, random_scores ``[n, D]``.
    """
    kept = [each for each in found if each.members]
    tables = [each.table[(each.table["status"] == "ok") & (each.table["baseline"] == "none")] for each in kept]
    whole = pd.concat(tables) if tables else _table([])
    draws = found[0].random.size if found else 0
    owners = [each.target for each in kept for _ in each.members]
    labels = [f"{names[owner]}: concept {number}" for owner, number in zip(owners, whole["concept"], strict=True)]
    arrays = {key: whole[key].to_numpy(np.float64) for key in ("tcav", "tcav_random", "derivative")}
    arrays |= {key: whole[key].to_numpy(np.float64) for key in ("p_value", "p_corrected")}
    empty = [np.empty((0, draws))]
    return {
        "classes": np.array(owners, dtype=np.int64),
        "concepts": np.array(labels, dtype=np.str_),
        "cavs": np.concatenate([each.tested.cavs for each in kept] or [np.empty((0, 0))]).astype(np.float32),
        **arrays,
        "significant": whole["significant"].to_numpy(bool),
        "scores": np.concatenate([each.tested.scores for each in kept] or empty),
        "random_scores": np.concatenate([np.tile(each.random, (len(each.members), 1)) for each in kept] or empty),
    }


def nothing_found(
    target: int, shape: str, reasons: Sequence[str], others: Sequence[Mapping[str, Any]] = ()
) -> Concepts:
    """A class without concepts, and why."""
    none = Tested(np.empty((0, 0)), np.empty(0), np.empty((0, 0)), np.empty(0))
    rows = [_skipped_row(shape, reason) for reason in reasons]
    return Concepts(target, shape, _table([*rows, *others]), none, np.empty(0))


def _test(
    groups: Sequence[np.ndarray], random: np.ndarray, gradients: np.ndarray, draws: int, key: tuple[Stream, int, int]
) -> Tested:
    """CAVs of each group of segments ``[n, C]`` against ``draws`` draws of random ones."""
    parts = []
    for number, group in enumerate(groups):
        draw = generator(*key, number)
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


def _random_cavs(random: np.ndarray, settings: AceSettings, key: tuple[Stream, int, int]) -> np.ndarray:
    """CAVs ``[D, C]`` between random segments and other random segments."""
    draw = generator(*key)
    size = min(settings.max_segments, len(random) // 2)
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


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
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
