"""Tables of counterfactuals: what both networks say on every way, and how often decoded pictures change class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conceptrast.base.statistics import wilson_interval
from conceptrast.counterfactual.direction_kinds import RANDOM_BASELINE, RANDOM_DIRECTIONS

if TYPE_CHECKING:
    from conceptrast.counterfactual.directions import Direction
    from conceptrast.counterfactual.search import Walk

PAIR = ["from_class", "from_name", "to_class", "to_name"]

ALL_PAIRS = -1
"""This stands in place of both classes in the row of all pairs together."""

WEAK = "no decoded start has the class of its image: the decoder is too weak"


def counterfactual_rows(
    images: Sequence[int], walk: Walk, direction: Direction, pair: tuple[int, int], stop: str
) -> pd.DataFrame:
    """What both networks say of every image at every fraction of its way.

    Args:
        images: ids ``[N]``.
        walk: the walk of these images.
        direction: the direction of the first of these images; its name tells random directions from the others.
        pair: the class of the images, and the class that they are moved towards.
        stop: the network that ended the way.

    Returns:
        image, from_class, to_class, direction, origin, stop, baseline, found, fraction, lambda, p_from, p_to, predicted
        (by the rest of the network), p_from_decoded, p_to_decoded, predicted_decoded (by the whole network, for the
        decoded picture).
    """
    # The place of every image at every fraction.
    count = len(images)
    steps = len(walk.fractions)
    first, second = pair
    columns: dict[str, Any] = {
        "image": np.repeat(np.asarray(images), steps),
        "from_class": first,
        "to_class": second,
        "direction": direction.name,
        "origin": direction.origin,
        "stop": stop,
        "baseline": RANDOM_BASELINE if direction.name in RANDOM_DIRECTIONS else "none",
        "found": np.repeat(walk.reached, steps),
        "fraction": np.tile(walk.fractions, count),
        "lambda": (walk.lambdas[:, None] * walk.fractions).ravel(),
    }
    # What both networks say there.
    for probabilities, ending in ((walk.suffix, ""), (walk.decoded, "_decoded")):
        columns[f"p_from{ending}"] = probabilities[..., first].ravel()
        columns[f"p_to{ending}"] = probabilities[..., second].ravel()
        columns[f"predicted{ending}"] = probabilities.argmax(axis=-1).ravel()
    return pd.DataFrame(columns)


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
    """How often the decoded picture changes its class, for each pair, direction, stop and baseline, and over all pairs.

    Args:
        rows: as :func:`counterfactual_rows` gives, with names, status and reason. A skipped pair has one row, and so
            has a skipped direction of a pair.

    Returns:
        from_class, from_name, to_class, to_name (:data:`ALL_PAIRS` and ``all`` mean all pairs), direction, stop,
        baseline, n_images, n_kept (images whose decoded start has the class that the model gives the image),
        lambda_median, found (share of images that reach the class within the limit, as the stop judges), changed (share
        of the kept images whose decoded end has another class), low, high (95 % Wilson interval), reached (share of the
        kept images whose decoded end has the wanted class), p_to_before, p_to_after (means over the kept images,
        decoded), status, reason.
    """
    skipped = rows[rows["status"] == "skipped"]
    skipped = skipped[[name for name in (*PAIR, "direction", "status", "reason") if name in skipped]]
    if len(skipped) == len(rows):
        return skipped.reset_index(drop=True)
    ends = _ends(rows[rows["status"] == "ok"])
    ends = pd.concat([ends, ends.assign(from_class=ALL_PAIRS, from_name="all", to_class=ALL_PAIRS, to_name="all")])
    keys = [*PAIR, "direction", "stop", "baseline"]
    summaries = [dict(zip(keys, key, strict=True)) | _group_row(group) for key, group in ends.groupby(keys, sort=False)]
    return pd.DataFrame([*summaries, *skipped.to_dict("records")])


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for the way of every image: its start beside its end."""
    keys = ["image", *PAIR, "direction", "stop", "baseline"]
    start, end = (rows[rows["fraction"] == fraction] for fraction in (0, 1))
    ends = start.merge(end, on=keys, suffixes=("_start", ""), validate="1:1")
    return ends.assign(
        kept=ends["predicted_decoded_start"] == ends["predicted_start"],
        changed=ends["predicted_decoded"] != ends["predicted_decoded_start"],
        reached=ends["predicted_decoded"] == ends["to_class"],
    )


def _group_row(group: pd.DataFrame) -> dict[str, Any]:
    kept = group[group["kept"]]
    row: dict[str, Any] = {
        "n_images": len(group),
        "n_kept": len(kept),
        "lambda_median": float(group["lambda"].median()),
        "found": float(group["found"].mean()),
    }
    if kept.empty:
        return row | {"status": "skipped", "reason": WEAK}
    changed = int(kept["changed"].sum())
    low, high = wilson_interval(changed, len(kept))
    row |= {"changed": changed / len(kept), "low": low, "high": high, "reached": float(kept["reached"].mean())}
    row |= {"p_to_before": float(kept["p_to_decoded_start"].mean()), "p_to_after": float(kept["p_to_decoded"].mean())}
    return row | {"status": "ok", "reason": ""}
