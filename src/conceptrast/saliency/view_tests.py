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
from conceptrast.saliency.truth import TRUTH_COLUMNS, truth_rows
from conceptrast.saliency.view_truth import Known

NO_METHOD = "none"
"""What stands for the method in rows of chance."""


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
        Rows method, baseline, image, kind, toward, versus, metric, share, score; see
        :func:`conceptrast.saliency.faithfulness.faithfulness`.
    """
    parts = []
    everything = list(with_chance(pictures, layer, maps, seed))
    for place, images in subject_batches(pictures, subjects, "removing pixels"):
        part = subjects.iloc[place]
        for method, baseline, values in everything:
            rows = faithfulness(
                pictures.model, images, values[place], targets_of(part), percentiles=percentiles, seed=seed,
                batch_size=pictures.batch_size,
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
        Rows of :func:`conceptrast.saliency.randomisation.parameter_randomisation` with image, kind, toward, versus.
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
        Rows method, baseline, kind, toward, versus and those of :func:`conceptrast.saliency.truth.truth_rows`. A map
        for A alone counts for each pair that A is in, so that both kinds look at the same pictures and concepts.
    """
    parts = []
    pairs = subjects.loc[subjects["kind"] == "difference", ["toward", "versus"]].drop_duplicates()
    telling = (
        {} if known is None else {pair: known.telling.get(pair) for pair in pairs.itertuples(index=False, name=None)}
    )
    for method, baseline, values in with_chance(pictures, layer, maps, seed):
        for pair, concepts in telling.items():
            for kind, versus in (("class", -1), ("difference", pair[1])):
                own = (subjects["kind"] == kind) & (subjects["toward"] == pair[0]) & (subjects["versus"] == versus)
                if known is None or concepts is None:
                    continue
                rows = truth_rows(values[own.to_numpy()], subjects.loc[own, "image"].to_numpy(), known.truth, *concepts)
                head = {"method": method, "baseline": baseline, "kind": kind, "toward": pair[0], "versus": pair[1]}
                parts.append(rows.assign(**head))
    columns = ["method", "baseline", "kind", "toward", "versus", *TRUTH_COLUMNS]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _of_subjects(rows: pd.DataFrame, subjects: pd.DataFrame, **words: str) -> pd.DataFrame:
    """Rows with a ``position`` in a batch as rows with the subject at that position."""
    own = subjects.iloc[rows["position"].to_numpy()][["image", "kind", "toward", "versus"]].reset_index(drop=True)
    return pd.concat([own.assign(**words), rows.drop(columns="position").reset_index(drop=True)], axis=1)
