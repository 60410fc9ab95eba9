"""Tables of a run's views: how faithful maps are, how they change with the weights, and how they fit known truth.

This module does not import torch. So the step that builds the tables takes a second, and it does not rerun if a model's
code is edited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.errors import DataError
from conceptrast.base.statistics import bootstrap_interval, mean_sd, wilson_interval

KEYS = ("view", "target_kind", "method", "baseline")
"""The columns that say what a row of the tables of faithfulness and truth is about."""
CHANCE_MAPS = ("random", "centre")
"""Chance: a map of noise, a blob in the middle; see :mod:`conceptrast.saliency.chance_maps`."""
SCORES = ("road", "insertion", "deletion")
STAGE = ("stage", "reaches", "above_layer")
"""The columns that tell the stages of a parameter randomisation apart."""
UNCHANGED = 0.9
"""A method's maps count as unchanged if their mean rank correlation is at least this."""
NOWHERE = "no picture that is looked at holds both what A has and B has not and what both have"
"""The reason why a view has no rows of known truth."""


def scores(rows: pd.DataFrame) -> pd.DataFrame:
    r"""One number for each curve.

    .. math:: \mathrm{road} = \tfrac{1}{2} (\overline{p_{\mathrm{least}}} - \overline{p_{\mathrm{most}}}), \qquad
              \mathrm{insertion}, \mathrm{deletion} = \int_0^1 p \, d\,\mathrm{share}

    The means are over the shares. The integral uses the trapezoid rule. Higher is better for road and insertion, lower
    is better for deletion. Road lies between -0.5 and 0.5; it is about 0 for a map that says nothing.

    Args:
        rows: as :func:`~conceptrast.saliency.faithfulness.faithfulness` gives; further columns (view, method, image,
            ...) tell curves apart.

    Returns:
        One row for each position and each combination of the further columns: these columns, flat, road, insertion,
        deletion.

    Example:
        >>> curve = pd.DataFrame({"position": 0, "flat": False, "share": [0.5, 0.5, 0.0, 1.0, 0.0, 1.0],
        ...     "metric": ["road_most", "road_least", "deletion", "deletion", "insertion", "insertion"],
        ...     "score": [0.1, 0.9, 0.8, 0.0, 0.2, 0.8]})
        >>> scores(curve)
           position   flat  road  insertion  deletion
        0         0  False   0.4        0.5       0.4
    """
    keys = [name for name in rows.columns if name not in ("metric", "share", "score")]
    table_rows = []
    for values, part in rows.sort_values("share", kind="stable").groupby(keys, sort=False, dropna=False):
        curves = dict(iter(part.groupby("metric")))
        means = {order: curves[f"road_{order}"]["score"].mean() for order in ("most", "least")}
        areas = {name: np.trapezoid(curves[name]["score"], curves[name]["share"]) for name in SCORES[1:]}
        table_rows.append(dict(zip(keys, values, strict=True)) | {"road": (means["least"] - means["most"]) / 2} | areas)
    return pd.DataFrame(table_rows, columns=[*keys, *SCORES])


def faithfulness_table(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """How faithful each method's maps are, beside those of chance.

    Args:
        rows: as :func:`~conceptrast.saliency.faithfulness.faithfulness` gives, with view, target_kind, method, baseline
            and image; with toward and versus if an image has several maps of a kind. Chance rows have one of
            :data:`CHANCE_MAPS` as their baseline. Every view, kind of target and image must have them.
        seed: the seed of the bootstrap.

    Returns:
        view, target_kind, method, baseline, n_images, n_flat (maps that are the same everywhere), and for each of road,
        insertion and deletion its mean, sd and 95 % bootstrap interval over images (road, road_sd, road_low, road_high,
        ...); n_above_random and n_above_centre, the number of images whose road is above that of the image's chance
        map; a chance map is not compared with itself.

    Raises:
        DataError: an image has no chance map for the comparison.

    Example:
        >>> curve = {"metric": ["road_most", "road_least", "deletion", "deletion", "insertion", "insertion"],
        ...     "share": [0.5, 0.5, 0.0, 1.0, 0.0, 1.0], "score": [0.1, 0.9, 0.8, 0.0, 0.2, 0.8]}
        >>> head = {"view": "v", "target_kind": "predicted", "image": 3, "position": 0, "flat": False}
        >>> maps = (("grad_cam", "none"), ("none", "random"), ("none", "centre"))
        >>> rows = pd.concat([pd.DataFrame({**head, "method": m, "baseline": b, **curve}) for m, b in maps])
        >>> faithfulness_table(rows)[["method", "road", "n_above_random"]].values.tolist()[0]
        ['grad_cam', 0.4, 0]
    """
    by_image = scores(rows)
    # The chance maps of each image: one for each class and pair of classes that the image stands for.
    same = [name for name in ("view", "target_kind", "image", "toward", "versus") if name in rows.columns]
    chance = {name: by_image[by_image["baseline"] == name].set_index(same)["road"] for name in CHANCE_MAPS}
    table_rows: list[dict[str, Any]] = []
    for values, part in by_image.groupby(list(KEYS), sort=False):
        row: dict[str, Any] = dict(zip(KEYS, values, strict=True))
        row |= {"n_images": len(part), "n_flat": int(part["flat"].sum())}
        # Means over the images.
        for name in SCORES:
            mean, sd = mean_sd(part[name].to_numpy())
            low, high = bootstrap_interval(part[name].to_numpy(), seed=seed)
            row |= {name: mean, f"{name}_sd": sd, f"{name}_low": low, f"{name}_high": high}
        # How often ROAD is above chance.
        for name, road in chance.items():
            beside = road.reindex(pd.MultiIndex.from_frame(part[same])).to_numpy()
            if np.isnan(beside).any():
                raise DataError(f"{row['view']}: an image has no {name!r} map to compare {row['method']} with")
            row[f"n_above_{name}"] = int((part["road"].to_numpy() > beside).sum())
        table_rows.append(row)
    numbers = [f"{name}{ending}" for name in SCORES for ending in ("", "_sd", "_low", "_high")]
    return pd.DataFrame(
        table_rows, columns=[*KEYS, "n_images", "n_flat", *numbers, *(f"n_above_{name}" for name in CHANCE_MAPS)]
    )


def randomisation_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How similar each method's maps stay, stage by stage, and whether it looks at the network above the layer.

    Args:
        rows: as :func:`~conceptrast.saliency.parameter_randomisation.parameter_randomisation` gives, with view.

    Returns:
        view, method, stage, reaches, above_layer, n_images, n_flat, rank_correlation and ssim (means over images) with
        rank_correlation_sd and ssim_sd, unchanged. A method is unchanged if its mean rank correlation is still at least
        :data:`UNCHANGED` when all weights above the layer are random: then it does not see what the network does with
        the layer. It is not flagged if no weights lie above the layer.

    Example:
        >>> rows = pd.DataFrame({"view": "v", "method": ["a", "a"], "stage": [1, 2], "reaches": ["fc", "conv"],
        ...     "above_layer": [True, False], "rank_correlation": [0.95, 0.1], "ssim": 0.5, "flat": False})
        >>> randomisation_table(rows)[["stage", "n_images", "rank_correlation", "unchanged"]]
           stage  n_images  rank_correlation  unchanged
        0      1         1              0.95       True
        1      2         1              0.10       True
    """
    table_rows = []
    for values, part in rows.groupby(["view", "method", *STAGE], sort=False):
        row: dict[str, Any] = dict(zip(("view", "method", *STAGE), values, strict=True))
        row |= {"n_images": len(part), "n_flat": int(part["flat"].sum())}
        for name in ("rank_correlation", "ssim"):
            row[name], row[f"{name}_sd"] = mean_sd(part[name].to_numpy())
        table_rows.append(row)
    numbers = [f"{name}{ending}" for name in ("rank_correlation", "ssim") for ending in ("", "_sd")]
    table = pd.DataFrame(table_rows, columns=["view", "method", *STAGE, "n_images", "n_flat", *numbers])
    table = table.sort_values(["view", "method", "stage"], kind="stable", ignore_index=True)
    above = table[table["above_layer"]].groupby(["view", "method"]).tail(1)
    same = above.loc[above["rank_correlation"] >= UNCHANGED, ["view", "method"]]
    keys = pd.MultiIndex.from_frame(table[["view", "method"]])
    return table.assign(unchanged=keys.isin(pd.MultiIndex.from_frame(same)))


def truth_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often maps lie on the concept that tells two classes apart, beside chance maps.

    Args:
        rows: as :func:`~conceptrast.saliency.known_truth.truth_rows` gives, with view, target_kind, method and
            baseline.

    Returns:
        view, target_kind, method, baseline, n_images, n_flat, own_mass and shared_mass (means), more (share of
        images whose map has more mass on the own concept than on the shared one) and hit (share of images whose
        maximum lies on the own concept), both with a 95 % Wilson interval (more_low, more_high, ...). A flat map counts
        for neither share: its mass only says which box is larger.

    Example:
        >>> rows = pd.DataFrame({"view": "v", "target_kind": "pair", "method": "a", "baseline": "none", "flat": False,
        ...     "own_mass": [0.5, 0.1], "shared_mass": [0.1, 0.3], "hit": [True, True]})
        >>> truth_table(rows)[["own_mass", "shared_mass", "more", "hit"]].values.tolist()
        [[0.3, 0.2, 0.5, 1.0]]
    """
    table_rows = []
    for values, part in rows.groupby(list(KEYS), sort=False):
        row: dict[str, Any] = dict(zip(KEYS, values, strict=True))
        row |= {"n_images": len(part), "n_flat": int(part["flat"].sum())}
        row |= {name: float(part[name].mean()) for name in ("own_mass", "shared_mass")}
        more = (part["own_mass"] > part["shared_mass"]) & ~part["flat"].astype(bool)
        for name, holds in (("more", more), ("hit", part["hit"])):
            low, high = wilson_interval(int(holds.sum()), len(part))
            row |= {name: float(holds.mean()), f"{name}_low": low, f"{name}_high": high}
        table_rows.append(row)
    numbers = [f"{name}{ending}" for name in ("more", "hit") for ending in ("", "_low", "_high")]
    return pd.DataFrame(table_rows, columns=[*KEYS, "n_images", "n_flat", "own_mass", "shared_mass", *numbers])


def with_skipped(table: pd.DataFrame, skipped: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Add rows to a table of views for the views and pictures that were skipped.

    Args:
        table: as one of the functions above gives it.
        skipped: view, and whatever else is known of it, such as target_kind; reason.

    Returns:
        The table with columns status (``ok`` or ``skipped``) and reason; skipped rows are last, without numbers.

    Example:
        >>> table = pd.DataFrame({"view": ["v"], "road": [0.5]})
        >>> with_skipped(table, [{"view": "w", "reason": "no picture is predicted as cow"}])[["view", "status"]]
          view   status
        0    v       ok
        1    w  skipped
    """
    missing = pd.DataFrame([{"status": "skipped", **row} for row in skipped]).drop_duplicates()
    # Whole numbers stay whole if a row has none.
    counts = {name: "Int64" for name in table.columns if table[name].dtype.kind == "i"}
    return pd.concat([table.astype(counts).assign(status="ok", reason=""), missing], ignore_index=True)


def faithfulness_of_views(rows: pd.DataFrame, subjects: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The table of faithfulness.

    Args:
        rows: the rows of the curves of all views.
        subjects: view, kind, status, reason of all views.
        seed: the seed of the intervals.
    """
    return with_skipped(faithfulness_table(rows, seed), _skipped_subjects(subjects))


def randomisation_of_views(rows: pd.DataFrame) -> pd.DataFrame:
    """The table of the randomisation.

    Args:
        rows: the rows of the stages of all views, with status and reason.
    """
    return with_skipped(randomisation_table(rows[rows["status"] == "ok"]), _skipped(rows, ["view", "method", "reason"]))


def truth_of_views(rows: pd.DataFrame, subjects: pd.DataFrame, views: Sequence[str]) -> pd.DataFrame:
    """The table of the truth. If no picture of a view could be used, the view has a row that says why.

    Args:
        rows: the rows of the known pictures of these views.
        subjects: view, kind, status, reason of all views.
        views: the views whose truth is known.
    """
    skipped = [row for row in _skipped_subjects(subjects) if row["view"] in views]
    explained = {*rows["view"], *(row["view"] for row in skipped)}
    skipped += [{"view": view, "reason": NOWHERE} for view in views if view not in explained]
    return with_skipped(truth_table(rows), skipped)


def _skipped_subjects(subjects: pd.DataFrame) -> list[dict[str, str]]:
    return _skipped(subjects.rename(columns={"kind": "target_kind"}), ["view", "target_kind", "reason"])


def _skipped(rows: pd.DataFrame, names: list[str]) -> list[dict[str, str]]:
    """The skipped items, with the reasons."""
    return rows.loc[rows["status"] == "skipped", names].to_dict("records")  # type: ignore[return-value]
