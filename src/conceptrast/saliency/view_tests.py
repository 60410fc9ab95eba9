"""The tests of a view's maps, beside two kinds of chance maps: random maps and a blob in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from conceptrast.base.errors import ModelError
from conceptrast.base.progress import counted, progress
from conceptrast.models.inference import for_inference
from conceptrast.models.pictures import Pictures
from conceptrast.saliency.chance_maps import centre_maps, random_maps
from conceptrast.saliency.faithfulness import FaithfulnessOptions, faithfulness
from conceptrast.saliency.known_concepts import KnownConcepts
from conceptrast.saliency.known_truth import truth_rows
from conceptrast.saliency.parameter_randomisation import parameter_randomisation
from conceptrast.saliency.subject_maps import grid_of, subject_batches
from conceptrast.saliency.subjects import targets_of
from conceptrast.saliency.tables import CHANCE_MAPS

FAITHFULNESS = (
    *("image", "target_kind", "toward", "versus", "method", "baseline", "flat", "metric", "share", "score"),
)
"""Columns of :func:`view_faithfulness`."""
TRUTH = (*("image", "flat", "own_mass", "shared_mass", "hit", "target_kind", "toward", "versus", "method", "baseline"),)
"""Columns of :func:`view_truth`."""


class MethodMaps(NamedTuple):
    """The maps of a view's subjects by one method, or by chance."""

    method: str
    """``none`` for chance."""
    baseline: str
    """``none`` for a method, or one of :data:`~conceptrast.saliency.tables.CHANCE_MAPS`."""
    maps: np.ndarray
    """``[n, H, W]``, in the order of the subjects."""


def with_chance(maps: Mapping[str, np.ndarray], grid: tuple[int, int], seed: int) -> list[MethodMaps]:
    """The maps of all methods, then those of both kinds of chance.

    Args:
        maps: ``[n, H, W]`` by method.
        grid: the rows and columns of the layer. Random maps are noise on this grid, enlarged like the maps of methods.
        seed: the seed of the random maps.

    Example:
        >>> [method_maps[:2] for method_maps in with_chance({"grad_cam": np.ones((1, 4, 4))}, (2, 2), seed=0)]
        [('grad_cam', 'none'), ('none', 'random'), ('none', 'centre')]
    """
    count, height, width = next(iter(maps.values())).shape
    random = random_maps(count, grid, (height, width), seed)
    centre = centre_maps(count, (height, width))
    of_methods = [MethodMaps(method=method, baseline="none", maps=values) for method, values in maps.items()]
    of_chance = [
        MethodMaps(method="none", baseline=name, maps=values)
        for name, values in zip(CHANCE_MAPS, (random, centre), strict=True)
    ]
    return [*of_methods, *of_chance]


def view_faithfulness(
    pictures: Pictures, subjects: pd.DataFrame, maps: Sequence[MethodMaps], percentiles: Sequence[int], seed: int
) -> pd.DataFrame:
    """Curves of every subject's map by every method and by chance.

    Args:
        pictures: the images and the model.
        subjects: usable rows image, kind, toward, versus.
        maps: as :func:`with_chance` gives them.
        percentiles: shares of pixels in per cent that ROAD removes.
        seed: the seed of the imputation's noise.

    Returns:
        Rows of :func:`conceptrast.saliency.faithfulness.faithfulness` with image, target_kind, toward, versus, method
        and baseline in place of the position.
    """
    # Batch by batch, and within a batch method by method.
    parts = [pd.DataFrame(columns=list(FAITHFULNESS))]
    model = for_inference(pictures.model)
    for place, images in subject_batches(pictures, subjects):
        part = subjects.iloc[place]
        options = FaithfulnessOptions(
            percentiles=percentiles,
            seed=seed,
            first=place.start,
            batch_size=pictures.batch_size,
        )
        what = f"removing pixels of {counted(len(part), 'pictures')}"
        for method, baseline, values in progress(maps, what, len(maps), "kinds of map"):
            rows = faithfulness(
                model,
                images,
                maps=values[place],
                targets=targets_of(part),
                options=options,
            )
            parts.append(_of_subjects(rows, part, method=method, baseline=baseline))
    return _join_tables(parts)


def view_randomisation(
    pictures: Pictures, layer: str, subjects: pd.DataFrame, methods: Sequence[str], seed: int
) -> pd.DataFrame:
    """How the maps of classes change while the network's parameters become random, from the output downwards.

    Differences of classes are left out: the result for a class holds for a difference too.

    Args:
        pictures: the images and the model.
        layer: the layer that the maps are made at.
        subjects: usable rows image, kind, toward, versus.
        methods: the methods that make the maps.
        seed: the seed of the random parameters.

    Returns:
        Rows of :func:`conceptrast.saliency.parameter_randomisation.parameter_randomisation` with image, target_kind,
        toward and versus in place of the position, status and reason. If a network cannot be traced, its layers are
        unknown, and each method has a row with status ``skipped``.
    """
    # Maps of classes alone.
    of_classes = subjects[subjects["kind"] != "difference"].reset_index(drop=True)
    parts = [
        pd.DataFrame(columns=["method", "stage", "reaches", "above_layer", "rank_correlation", "status", "reason"])
    ]
    for place, images in subject_batches(pictures, of_classes):
        part = of_classes.iloc[place]
        try:
            rows = parameter_randomisation(
                pictures.model,
                layer,
                images,
                targets=targets_of(part),
                methods=methods,
                seed=seed,
            )
        except ModelError as error:
            return pd.DataFrame({"method": list(methods), "status": "skipped", "reason": str(error)})
        parts.append(_of_subjects(rows, part, status="ok", reason=""))
    return _join_tables(parts)


def view_truth(
    pictures: Pictures, layer: str, subjects: pd.DataFrame, maps: Sequence[MethodMaps], known: KnownConcepts | None
) -> pd.DataFrame:
    """Whether maps lie on the concept that tells two classes apart, where it is known.

    Args:
        pictures: the images and the model.
        layer: the layer that the maps are made at. Boxes are enlarged by half the distance between two of its
            positions, since a map cannot locate things more exactly.
        subjects: usable rows image, kind, toward, versus.
        maps: as :func:`with_chance` gives them.
        known: the places of concepts; ``None`` gives no rows.

    Returns:
        Rows of :func:`conceptrast.saliency.known_truth.truth_rows` with method, baseline, target_kind, toward and
        versus. A map for A alone counts for each pair that A is in, so that both kinds look at the same pictures and
        concepts.
    """
    if known is None:
        return pd.DataFrame(columns=list(TRUTH))
    # Boxes are enlarged by half the distance of two positions.
    grid = grid_of(pictures, layer)
    size = pictures.model.preprocess.size
    margin = (size[0] // (2 * grid[0]), size[1] // (2 * grid[1]))

    # For every pair, the maps of A, and the maps of A and not B.
    parts = [pd.DataFrame(columns=list(TRUTH))]
    pairs = subjects.loc[subjects["kind"] == "difference", ["toward", "versus"]].drop_duplicates()
    for first, second in pairs.itertuples(index=False, name=None):
        if (first, second) not in known.concepts:
            continue
        own_concept, shared_concept = known.concepts[first, second]
        for kind, versus in (("class", -1), ("difference", second)):
            of_pair = (subjects["kind"] == kind) & (subjects["toward"] == first) & (subjects["versus"] == versus)
            for method, baseline, values in maps:
                rows = truth_rows(
                    values[of_pair.to_numpy()],
                    subjects.loc[of_pair, "image"].to_numpy(),
                    truth=known.truth,
                    own_concept=own_concept,
                    shared_concept=shared_concept,
                    margin=margin,
                )
                head = {"target_kind": kind, "toward": first, "versus": second, "method": method, "baseline": baseline}
                parts.append(rows.assign(**head))
    return _join_tables(parts)


def _of_subjects(rows: pd.DataFrame, subjects: pd.DataFrame, **words: str) -> pd.DataFrame:
    """Replace each row's ``position`` in a batch by the subject at that position."""
    facts = subjects.iloc[rows["position"].to_numpy()][["image", "kind", "toward", "versus"]].reset_index(drop=True)
    facts = facts.rename(columns={"kind": "target_kind"})
    return pd.concat([facts.assign(**words), rows.drop(columns="position").reset_index(drop=True)], axis=1)


def _join_tables(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join all rows. If there are none, the first part gives the columns."""
    return pd.concat(parts[1:], ignore_index=True) if len(parts) > 1 else parts[0]
