"""The tests of a view's maps, beside two kinds of chance: random maps and a blob in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from conceptrast.models.split import SplitModel
from conceptrast.pictures import Pictures
from conceptrast.saliency.chance import centre_maps, random_maps
from conceptrast.saliency.faithfulness import faithfulness
from conceptrast.saliency.maps import subject_batches
from conceptrast.saliency.randomisation import parameter_randomisation
from conceptrast.saliency.subjects import targets_of
from conceptrast.saliency.truth import truth_rows
from conceptrast.saliency.view_truth import Known

STEPS = 10
"""Equal shares of the pixels in which insertion and deletion proceed."""

NO_METHOD = "none"
"""What stands for the method in rows of chance."""

TRUTH_HEAD = ("method", "baseline", "target_kind", "toward", "versus")
"""Columns by which rows of the truth are told apart."""


def with_chance(
    pictures: Pictures, layer: str, maps: Mapping[str, np.ndarray], seed: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Method, baseline and maps ``[n, H, W]``: all methods (baseline ``none``), then both kinds of chance.

    Random maps are noise on the layer's grid, enlarged as the maps of methods are.
    """
    yield from ((method, "none", values) for method, values in maps.items())
    count, height, width = next(iter(maps.values())).shape
    grid = _grid(pictures, layer)
    yield NO_METHOD, "random", random_maps(count, grid, (height, width), seed)
    yield NO_METHOD, "centre", centre_maps(count, (height, width))


def _grid(pictures: Pictures, layer: str) -> tuple[int, int]:
    """Positions of a layer: rows and columns."""
    first = pictures.table.head(1)["image"].to_numpy(np.int64)
    _, images = next(iter(subject_batches(pictures, pd.DataFrame({"image": first}))))
    height, width = SplitModel(pictures.model, layer).prefix(images).shape[2:]
    return height, width


def view_faithfulness(
    pictures: Pictures,
    layer: str,
    subjects: pd.DataFrame,
    maps: Mapping[str, np.ndarray],
    percentiles: Sequence[int],
    seed: int,
) -> pd.DataFrame:
    """Curves of every subject's map by every method and by chance.

    Args:
        pictures: the images and the model.
        layer: that the maps are made at.
        subjects: usable rows image, kind, toward, versus.
        maps: ``[n, H, W]`` by method, in their order.
        percentiles: shares of pixels in per cent that ROAD removes.
        seed: of the imputation's noise and the random maps.

    Returns:
        Rows of :func:`conceptrast.saliency.faithfulness.faithfulness` with image, target_kind, toward, versus, method
        and baseline in place of the position.
    """
    parts = []
    everything = list(with_chance(pictures, layer, maps, seed))
    for place, images in subject_batches(pictures, subjects, "removing pixels"):
        part = subjects.iloc[place]
        for method, baseline, values in everything:
            rows = faithfulness(
                pictures.model, images, values[place], targets_of(part), percentiles=percentiles, steps=STEPS,
                seed=seed, batch_size=pictures.batch_size,
            )  # fmt: skip
            parts.append(_of_subjects(rows, part, method=method, baseline=baseline))
    return pd.concat(parts, ignore_index=True)


def view_randomisation(
    pictures: Pictures, layer: str, subjects: pd.DataFrame, methods: Sequence[str], seed: int
) -> pd.DataFrame:
    """How the maps of classes change while the network's parameters become random, from the output downwards.

    Differences of classes are left out: what holds for the one holds for the other.

    Args:
        pictures: the images and the model.
        layer: that the maps are made at.
        subjects: usable rows image, kind, toward, versus.
        methods: of the maps.
        seed: of the random parameters.

    Returns:
        Rows of :func:`conceptrast.saliency.randomisation.parameter_randomisation` with image, target_kind, toward and
        versus in place of the position.
    """
    own = subjects[subjects["kind"] != "difference"].reset_index(drop=True)
    parts = []
    for place, images in subject_batches(pictures, own, "with random parameters"):
        part = own.iloc[place]
        rows = parameter_randomisation(pictures.model, layer, images, targets_of(part), methods, seed=seed)
        parts.append(_of_subjects(rows, part))
    return pd.concat(parts, ignore_index=True)


def view_truth(
    pictures: Pictures,
    layer: str,
    subjects: pd.DataFrame,
    maps: Mapping[str, np.ndarray],
    known: Known | None,
    seed: int,
) -> pd.DataFrame:
    """Whether maps lie on the concept that tells two classes apart, where it is known.

    Args:
        pictures: the images and the model.
        layer: that the maps are made at.
        subjects: usable rows image, kind, toward, versus.
        maps: ``[n, H, W]`` by method, in their order.
        known: what is where; ``None`` gives no rows.
        seed: of the random maps.

    Returns:
        Rows of :func:`conceptrast.saliency.truth.truth_rows` with method, baseline, target_kind, toward and versus. A
        map for A alone counts for each pair that A is in, so that both kinds look at the same pictures and concepts.
    """
    pairs = subjects.loc[subjects["kind"] == "difference", ["toward", "versus"]].drop_duplicates()
    telling = {} if known is None else known.telling
    size, grid = next(iter(maps.values())).shape[1:], _grid(pictures, layer)
    # A map cannot say more exactly where something is than its layer has positions.
    margin = (size[0] // (2 * grid[0]), size[1] // (2 * grid[1]))
    parts = [
        pd.DataFrame(columns=TRUTH_HEAD),
        *(
            _pair_truth(subjects, values, known.truth, pair, telling[pair], margin).assign(
                method=method, baseline=baseline
            )
            for pair in pairs.itertuples(index=False, name=None)
            if known is not None and pair in telling
            for method, baseline, values in with_chance(pictures, layer, maps, seed)
        ),
    ]
    return pd.concat(parts, ignore_index=True)


def _pair_truth(
    subjects: pd.DataFrame,
    maps: np.ndarray,
    truth: pd.DataFrame,
    pair: tuple[int, int],
    concepts: tuple[str, str],
    margin: tuple[int, int],
) -> pd.DataFrame:
    """Rows of the truth of one pair (A, B), for A and for A and not B."""
    parts = []
    for kind, versus in (("class", -1), ("difference", pair[1])):
        own = (subjects["kind"] == kind) & (subjects["toward"] == pair[0]) & (subjects["versus"] == versus)
        images = subjects.loc[own, "image"].to_numpy()
        rows = truth_rows(maps[own.to_numpy()], images, truth, *concepts, margin)
        parts.append(rows.assign(target_kind=kind, toward=pair[0], versus=pair[1]))
    return pd.concat(parts, ignore_index=True)


def _of_subjects(rows: pd.DataFrame, subjects: pd.DataFrame, **words: str) -> pd.DataFrame:
    """Rows with a ``position`` in a batch as rows with the subject at that position."""
    own = subjects.iloc[rows["position"].to_numpy()][["image", "kind", "toward", "versus"]].reset_index(drop=True)
    own = own.rename(columns={"kind": "target_kind"})
    return pd.concat([own.assign(**words), rows.drop(columns="position").reset_index(drop=True)], axis=1)
