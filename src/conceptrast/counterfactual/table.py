"""Tables of counterfactuals: what both networks say on every way, and how often decoded pictures change class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conceptrast.base.statistics import wilson_interval
from conceptrast.counterfactual.edit_kinds import RANDOM_BASELINE

if TYPE_CHECKING:
    from conceptrast.counterfactual.edits import Edit
    from conceptrast.counterfactual.search import Walk

PAIR = ["from_class", "from_name", "to_class", "to_name"]

ALL_PAIRS = -1
"""This stands in place of both classes in the row of all pairs together."""

KEYS = ["edit", "direction", "stop", "baseline"]

Box = tuple[int, int, int, int]
"""Top, left, bottom and right, in pixels."""
NOWHERE: Mapping[int, Box] = {}


def not_recognised(probability: float) -> str:
    """Why nothing is said of a pair: the network does not recognise its class in the decoded start.

    Args:
        probability: the mean probability of the pictures' class.

    Example:
        >>> not_recognised(0.0004)
        "reconstruction not recognised (p = 0.0004): raise the decoder's epochs or images"
    """
    return f"reconstruction not recognised (p = {probability:.2g}): raise the decoder's epochs or images"


def counterfactual_rows(
    images: Sequence[int],
    walk: Walk,
    *,
    edit: Edit,
    pair: tuple[int, int],
    stop: str,
    is_random: bool = False,
    boxes: Mapping[int, Box] = NOWHERE,
) -> pd.DataFrame:
    r"""What all networks say of every picture at every fraction of its way, and where the picture has changed.

    .. math:: \text{inside} = \frac{\sum_{x \in \text{box}} |v(t) - v(0)|_x}{\sum_x |v(t) - v(0)|_x}

    Args:
        images: ids ``[N]``.
        walk: the walk of these pictures.
        edit: the edit of the first of them.
        pair: the class of the pictures, and the class that they are moved towards.
        stop: the network that ended the way.
        is_random: whether the edit is the random twin of the one that its names say.
        boxes: by id, where what tells the classes apart is; other pictures have no value there.

    Returns:
        image, from_class, to_class, edit, direction, origin, stop, baseline, found, fraction, done (part of the way,
        0 to 1), lambda, cells, p_from, p_to, predicted (by the rest of the network); the same three with the ending
        _decoded (by the whole network, for the decoded picture) and, where there is a judge, _judge; inside (share of
        the change of pixels in the box), area (share of the box).
    """
    # The place of every picture at every fraction.
    count = len(images)
    steps = len(walk.fractions)
    first, second = pair
    columns: dict[str, Any] = {
        "image": np.repeat(np.asarray(images), steps),
        "from_class": first,
        "to_class": second,
        "edit": edit.kind,
        "direction": edit.direction,
        "origin": edit.origin,
        "stop": stop,
        "baseline": RANDOM_BASELINE if is_random else "none",
        "found": np.repeat(walk.reached, steps),
        "fraction": np.tile(walk.fractions, count),
        "done": (walk.done[:, None] * walk.fractions).ravel(),
        "lambda": walk.lambdas.ravel(),
        "cells": walk.cells.ravel(),
    }
    # What all networks say there.
    for name, probabilities in walk.probabilities.items():
        ending = "" if name == "suffix" else f"_{name}"
        columns[f"p_from{ending}"] = probabilities[..., first].ravel()
        columns[f"p_to{ending}"] = probabilities[..., second].ravel()
        columns[f"predicted{ending}"] = probabilities.argmax(axis=-1).ravel()
    # Where the picture has changed.
    frames = walk.frames.float().numpy()
    changes = np.abs(frames - frames[:, :1]).sum(axis=2)
    shares = [change_inside(change, boxes.get(image)) for image, change in zip(images, changes, strict=True)]
    columns["inside"] = np.concatenate([inside for inside, _ in shares])
    columns["area"] = np.repeat([area for _, area in shares], steps)
    return pd.DataFrame(columns)


def change_inside(changes: np.ndarray, box: Box | None) -> tuple[np.ndarray, float]:
    """Shares of changes that lie in a box, and the box's share of the area; not a number without a box or a change.

    Args:
        changes: ``[F, H, W]``, not negative.
        box: top, left, bottom, right in pixels.

    Example:
        >>> change_inside(np.array([[[3.0, 1.0]], [[0.0, 0.0]]]), (0, 0, 1, 1))
        (array([0.75,  nan]), 0.5)
    """
    steps, height, width = changes.shape
    if box is None:
        return np.full(steps, np.nan), float("nan")
    top, left, bottom, right = box
    whole = changes.sum(axis=(1, 2))
    inside = changes[:, top:bottom, left:right].sum(axis=(1, 2))
    shares = np.divide(inside, whole, out=np.full(steps, np.nan), where=whole > 0)
    return shares, (bottom - top) * (right - left) / (height * width)


def with_names(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Add the names of the classes to the rows: from_name, to_name.

    Example:
        >>> with_names(pd.DataFrame({"from_class": [1], "to_class": [0]}), ["cat", "dog"]).columns.tolist()
        ['from_class', 'from_name', 'to_class', 'to_name']
    """
    named = rows.copy()
    for end in ("from", "to"):
        place = list(named).index(f"{end}_class") + 1
        named.insert(place, f"{end}_name", [names[target] for target in rows[f"{end}_class"]])
    return named


def counterfactual_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """How often the decoded picture becomes the other class, by pair, edit, stop and baseline, and over all pairs.

    Args:
        rows: as :func:`counterfactual_rows` gives, with names, judge, status and reason. A skipped pair has one row,
            and so has a skipped edit of a pair.

    Returns:
        from_class, from_name, to_class, to_name (:data:`ALL_PAIRS` and ``all`` mean all pairs), edit, direction, stop,
        baseline, judge, n_images, n_kept (pictures whose decoded start has the class that the model gives the picture),
        lambda_median, cells (median number of changed positions), found (share of pictures that reach the class, as the
        stop judges), reached (share of the kept pictures whose decoded end the model names the other class), judged
        (the same by the judge), low, high (95 % Wilson interval of judged, or of reached where there is no judge),
        p_to_before, p_to_after (means over the kept pictures, decoded), inside, area (means), status, reason.
    """
    skipped = rows[rows["status"] == "skipped"]
    skipped = skipped[[name for name in (*PAIR, "edit", "direction", "status", "reason") if name in skipped]]
    if len(skipped) == len(rows):
        return skipped.reset_index(drop=True)
    ends = _ends(rows[rows["status"] == "ok"])
    ends = pd.concat([ends, ends.assign(from_class=ALL_PAIRS, from_name="all", to_class=ALL_PAIRS, to_name="all")])
    keys = [*PAIR, *KEYS]
    summaries = [dict(zip(keys, key, strict=True)) | _group_row(group) for key, group in ends.groupby(keys, sort=False)]
    return pd.DataFrame([*summaries, *skipped.to_dict("records")])


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for the way of every picture: its start beside its end."""
    keys = ["image", *PAIR, *KEYS]
    start, end = (rows[rows["fraction"] == fraction] for fraction in (0, 1))
    ends = start.merge(end, on=keys, suffixes=("_start", ""), validate="1:1")
    ends["kept"] = ends["predicted_decoded_start"] == ends["predicted_start"]
    ends["reached"] = ends["predicted_decoded"] == ends["to_class"]
    if "predicted_judge" in ends:
        ends["judged"] = ends["predicted_judge"] == ends["to_class"]
    return ends


def _group_row(group: pd.DataFrame) -> dict[str, Any]:
    kept = group[group["kept"]]
    row: dict[str, Any] = {
        "judge": group["judge"].iloc[0],
        "n_images": len(group),
        "n_kept": len(kept),
        "lambda_median": float(group["lambda"].median()),
        "cells": float(group["cells"].median()),
        "found": float(group["found"].mean()),
    }
    headlines = [name for name in ("reached", "judged") if name in kept]
    if kept.empty:
        reason = not_recognised(float(group["p_from_decoded_start"].mean()))
        return row | dict.fromkeys(headlines, float("nan")) | {"status": "skipped", "reason": reason}
    row |= {name: float(kept[name].mean()) for name in headlines}
    headline = headlines[-1]
    row["low"], row["high"] = wilson_interval(int(kept[headline].sum()), len(kept))
    row |= {"p_to_before": float(kept["p_to_decoded_start"].mean()), "p_to_after": float(kept["p_to_decoded"].mean())}
    row |= {"inside": float(kept["inside"].mean()), "area": float(kept["area"].mean())}
    return row | {"status": "ok", "reason": ""}
