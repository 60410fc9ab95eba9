r"""The shift test: we move activations of A along the normal from A towards B; do they become B?

Notation: ``a`` activations ``[N, C, h, w]`` of A's images, ``n`` a normal ``[C]`` pointing from A towards B, ``t``
offsets ``[T]``, ``m`` the positions that are shifted ``[N, h, w]``, 0 or 1. Only the suffix of the network runs: the
activations are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError, ShapeError
from conceptrast.base.progress import progress
from conceptrast.base.statistics import mean_sd
from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.hyperplanes import RANDOM_DIRECTION, Hyperplane, random_hyperplane
from conceptrast.contrast.pairs import Pair
from conceptrast.models.inference import autocast
from conceptrast.models.split import SplitModel

OFFSETS = (0.0, 0.5, 1.0, 2.0, 10.0, 15.0, 20.0, 35.0, 50.0, 200.0)
"""The published offsets along the normal."""

SMALLEST = 1e-300
"""We do not divide by a probability below this number: the quotient would overflow."""

COLUMNS = (
    *("draw", "hyperplane", "baseline", "from_class", "to_class", "status", "reason"),
    *("offset", "p_from", "p_to"),
)


EVERYWHERE: Mapping[int, Tensor] = {}
"""No class has positions of its own: all positions are shifted."""


@dataclass(frozen=True)
class ShiftOptions:
    """How activations are shifted.

    Args:
        offsets: the offsets along the normal.
        seed: the seed of the random direction.
        precision: the precision of the suffix, ``float32`` or ``bfloat16``.
        batch_size: the number of shifted activations that run at once.
    """

    offsets: Sequence[float] = OFFSETS
    seed: int = 0
    precision: str = "float32"
    batch_size: int = 64


DEFAULTS = ShiftOptions()


def draw_pairs(classes: Sequence[int], pairs_per_draw: int, runs: int, seed: int) -> list[list[Pair]]:
    """Ordered pairs of different classes, drawn without replacement. Every run has its own draw.

    Args:
        classes: the classes to draw from, for both sides.
        pairs_per_draw: the number of pairs in a draw; if there are fewer pairs, all of them.
        runs: the number of draws.
        seed: the seed of the draws.

    Example:
        >>> [sorted(pairs) for pairs in draw_pairs([4, 7], pairs_per_draw=20, runs=2, seed=0)]
        [[(4, 7), (7, 4)], [(4, 7), (7, 4)]]
    """
    n = len(classes)
    draws = []
    for run in range(runs):
        count = min(pairs_per_draw, n * (n - 1))
        drawn = generator(Stream.CONTRASTED_PAIRS, seed, run).choice(max(n * (n - 1), 1), count, replace=False)
        first, other = np.divmod(drawn, max(n - 1, 1))
        second = other + (other >= first)
        draws.append([(classes[one], classes[two]) for one, two in zip(first, second, strict=True)])
    return draws


@torch.inference_mode()
def shifted_probabilities(
    split: SplitModel,
    activations: Tensor,
    normal: np.ndarray | Tensor,
    classes: Sequence[int],
    options: ShiftOptions = DEFAULTS,
    positions: Tensor | None = None,
) -> Tensor:
    r"""The probabilities of classes while activations are shifted along a direction.

    .. math:: p_{t n k} = \mathrm{softmax}\big(f(\max(a_n + t\, m_n n, 0))\big)_k

    Negative values are set to zero only if the layer's own output cannot be negative.

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``, on the device of the network; with class tokens as ``split.complete`` has them.
            Class tokens are not shifted.
        normal: ``[C]`` the direction that is added at every position. It is not normalised, as published.
        classes: the classes whose probabilities are wanted, ``[K]``.
        options: the offsets ``[T]``, the precision and the batch size. The softmax is float64, because what is compared
            may be as small as 1e-30.
        positions: ``m`` ``[N, h, w]`` bool, the positions that are shifted; without it, all.

    Returns:
        ``[T, N, K]`` float64 on the CPU.

    Raises:
        ShapeError: the direction does not have the activations' channels.
        ConceptrastError: a logit is not finite.

    Source: arXiv 2502.03422, shifting test, and its code.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
        >>> split, activations = SplitModel(network, "0"), torch.tensor([[2.0, 0.0]]).reshape(1, 2, 1, 1)
        >>> probabilities = shifted_probabilities(split, activations, np.array([-1.0, 1.0]), [0, 1],
        ...     ShiftOptions(offsets=[0.0, 1.0]))
        >>> probabilities[:, 0].round(decimals=2)
        tensor([[0.8800, 0.1200],
                [0.5000, 0.5000]], dtype=torch.float64)
    """
    direction = torch.as_tensor(normal, dtype=activations.dtype, device=activations.device)
    split = split.complete
    channels = split.patches(activations).shape[1:2]
    if direction.shape != channels:
        raise ShapeError(f"a direction {list(direction.shape)} does not fit activations {list(activations.shape)}")
    steps = torch.tensor(list(options.offsets), dtype=activations.dtype, device=activations.device)[:, None] * direction
    # All offsets of an image come one after the other, so a batch reads few images and writes many copies.
    parts = []
    for rows in torch.arange(len(activations) * len(steps), device=activations.device).split(options.batch_size):
        image = rows // len(steps)
        step = rows % len(steps)
        moved = split.shifted(activations[image], steps[step], None if positions is None else positions[image])
        if split.rectified:
            moved.clamp_(min=0)
        with autocast(options.precision, activations.device):
            logits = split.suffix(moved.contiguous(memory_format=torch.channels_last) if moved.ndim == 4 else moved)
        parts.append(logits.double().softmax(1)[:, list(classes)].cpu())
    probabilities = torch.cat(parts).unflatten(0, (len(activations), len(steps))).transpose(0, 1)
    if not probabilities.isfinite().all():
        raise ConceptrastError(
            f"shifting along the normal gives logits that are not finite, offsets {list(options.offsets)}"
        )
    return probabilities


def shift_rows(
    split: SplitModel,
    activations: Tensor,
    planes: Mapping[str, Mapping[Pair, Hyperplane]],
    pair: Pair,
    options: ShiftOptions,
    positions: Tensor | None = None,
) -> pd.DataFrame:
    """The mean probability of both classes along each solver's normal, and along a random direction as long.

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]`` of the images of ``pair[0]``.
        planes: the hyperplanes by solver and pair; a solver without a plane for the pair has no rows.
        pair: the class that is shifted, and the class that it is shifted towards.
        options: the offsets, the seed, the precision and the batch size.
        positions: ``[N, h, w]`` bool, the positions that are shifted; without it, all.

    Returns:
        hyperplane (name of the solver), baseline (``none`` or ``random_direction``), from_class, to_class, offset,
        p_from, p_to (means over the images).
    """
    parts = []
    for name, by_pair in planes.items():
        if pair not in by_pair:
            continue
        plane = by_pair[pair]
        # Along the normal, and along a random direction of the same length.
        random = random_hyperplane(plane, np.zeros(len(plane.normal)), options.seed, pair)
        for baseline, direction in (("none", plane), (RANDOM_DIRECTION, random)):
            probabilities = shifted_probabilities(
                split,
                activations,
                direction.normal,
                pair,
                options=options,
                positions=positions,
            )
            # The means over the images, one row for each offset.
            means = probabilities.mean(1)
            columns: dict[str, Any] = {"hyperplane": name, "baseline": baseline}
            columns |= {"from_class": pair[0], "to_class": pair[1], "offset": list(options.offsets)}
            columns |= {"p_from": means[:, 0].numpy(), "p_to": means[:, 1].numpy()}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def shift_table(
    split: SplitModel,
    classes: Iterable[tuple[int, Tensor]],
    planes: Mapping[str, Planes],
    draws: Sequence[Sequence[Pair]],
    options: ShiftOptions,
    names: Sequence[str] = (),
    positions: Mapping[int, Tensor] = EVERYWHERE,
) -> pd.DataFrame:
    """The shift test of all drawn pairs that start from the given classes.

    Args:
        split: the network, cut at the layer.
        classes: class and activations ``[N, C, h, w]`` of its images.
        planes: the hyperplanes by solver.
        draws: the pairs of every draw; a pair that is drawn twice is computed once.
        options: the offsets, the seed, the precision and the batch size.
        names: the names of the model's classes, for the progress display.
        positions: by class the positions ``[N, h, w]`` that are shifted; of a class that is not there, all.

    Returns:
        draw, hyperplane, baseline, from_class, to_class, status (``ok`` or ``skipped``), reason, offset, p_from, p_to.
        A pair that no plane separates has one row for each solver, with the reason and without numbers.
    """
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for target, activations in classes:
        pairs_from = sorted({pair for pairs in draws for pair in pairs if pair[0] == target})
        name = names[target] if names else f"class {target}"
        for pair in progress(pairs_from, f"shifting {name} towards other classes", len(pairs_from), "pairs"):
            rows = shift_rows(
                split, activations, planes, pair, options=options, positions=positions.get(target)
            ).assign(status="ok", reason="")
            rows = pd.concat([rows, _skipped(planes, pair)], ignore_index=True)
            parts += [rows.assign(draw=number) for number, pairs in enumerate(draws) if pair in pairs]
    return _typed(pd.concat([part for part in parts if len(part)] or parts).reindex(columns=list(COLUMNS)))


def _skipped(planes: Mapping[str, Planes], pair: Pair) -> pd.DataFrame:
    rows = [
        {"hyperplane": name, "baseline": "none", "from_class": pair[0], "to_class": pair[1], "status": "skipped"}
        | {"reason": by_pair.skipped[pair]}
        for name, by_pair in planes.items()
        if pair in by_pair.skipped
    ]
    return pd.DataFrame(rows)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    whole = dict.fromkeys(("draw", "from_class", "to_class"), "int64")
    return table.astype(whole | dict.fromkeys(("offset", "p_from", "p_to"), "float64"))


def pair_outcomes(shift: pd.DataFrame) -> pd.DataFrame:
    r"""Sum up what the shift did to each pair.

    A pair is swapped if :math:`p_B \ge p_A` and :math:`p_B > 1/2` at the offset above 0 with the highest probability
    of B. The published script compares :math:`p_B` at this offset with :math:`p_A` one offset earlier;
    ``swapped_published`` does the same. The best offset is the smallest one at which the pair is swapped: a shift by
    200 says little where one by 2 is enough.

    Args:
        shift: draw, hyperplane, baseline, from_class, to_class, offset, p_from, p_to; offset 0 must be among them.

    Returns:
        draw, hyperplane, baseline, from_class, to_class, before (p of B at offset 0), after (the highest), offset (the
        best; where no offset swaps the pair, that with the highest p of B), factor (after / before; empty if before is
        0 or nearly 0), swapped, swapped_published. ``after`` may be of another offset than ``offset``.
    """
    keys = ["draw", "hyperplane", "baseline", "from_class", "to_class"]
    rows = []
    for key, part in shift.groupby(keys, sort=False):
        part = part.sort_values("offset")
        to, away, offsets = (part[name].to_numpy(float) for name in ("p_to", "p_from", "offset"))
        best = 1 + int(to[1:].argmax())
        enough = np.flatnonzero((to >= away) & (to > 0.5) & (offsets > 0))
        smallest = enough[0] if len(enough) else best
        outcome = dict(zip(keys, key, strict=True)) | {"before": to[0], "after": to[best], "offset": offsets[smallest]}
        outcome["factor"] = to[best] / to[0] if to[0] > SMALLEST else None
        outcome["swapped"] = bool(to[best] >= away[best] and to[best] > 0.5)
        outcome["swapped_published"] = bool(to[best] >= away[best - 1] and to[best] > 0.5)
        rows.append(outcome)
    columns = [*keys, "before", "after", "offset", "factor", "swapped", "swapped_published"]
    return pd.DataFrame(rows, columns=columns)


def shift_summary(shift: pd.DataFrame) -> pd.DataFrame:
    """Table 3: the effect of shifting over all pairs, mean ± standard deviation over draws.

    Draws of the same pairs differ by nothing, so they have no standard deviation.

    Args:
        shift: the table of :func:`shift_table`.

    Returns:
        One row per hyperplane and baseline: runs, n_pairs and n_skipped (of all draws), n_different (different pairs
        among them), n_factors (pairs that have a factor), then with endings ``_mean`` and ``_sd`` (over draws): before,
        after (means over the pairs of a draw), factor_of_means (after / before of a draw), mean_of_factors (over the
        pairs of a draw), swap_rate, swap_rate_published.
    """
    outcomes = pair_outcomes(shift[shift["status"] == "ok"])
    rows: list[dict[str, Any]] = []
    for (name, baseline), group in outcomes.groupby(["hyperplane", "baseline"], sort=False):
        draws = [_of_draw(part) for _, part in group.groupby("draw")]
        row: dict[str, Any] = {"hyperplane": name, "baseline": baseline, "runs": len(draws)}
        lost = (shift["status"] == "skipped") & (shift["hyperplane"] == name)
        pairs = [set(zip(part["from_class"], part["to_class"], strict=True)) for _, part in group.groupby("draw")]
        row |= {"n_pairs": len(group), "n_skipped": int(lost.sum()), "n_different": len(set.union(*pairs))}
        row["n_factors"] = int(group["factor"].notna().sum())
        for key in ("before", "after", "factor_of_means", "mean_of_factors", "swap_rate", "swap_rate_published"):
            values = np.array([draw[key] for draw in draws if draw[key] is not None], float)
            if values.size:
                mean, sd = mean_sd(values)
                row |= {f"{key}_mean": mean, f"{key}_sd": sd if any(part != pairs[0] for part in pairs) else np.nan}
        rows.append(row)
    return pd.DataFrame(rows)


def shift_curves(shift: pd.DataFrame) -> pd.DataFrame:
    """Probabilities while activations are shifted: means over the pairs of all draws, at every offset.

    Args:
        shift: the table of :func:`shift_table`.

    Returns:
        hyperplane, baseline, offset (in multiples of the normal), n_pairs, p_from_mean, p_to_mean.

    Example:
        >>> rows = {"status": "ok", "hyperplane": "zero", "baseline": "none", "offset": [0, 2, 0, 2]}
        >>> shift = pd.DataFrame({**rows, "p_from": [0.9, 0.1, 0.7, 0.3], "p_to": [0.0, 0.8, 0.2, 0.6]})
        >>> shift_curves(shift)[["offset", "n_pairs", "p_from_mean", "p_to_mean"]].round(2).values.tolist()
        [[0.0, 2.0, 0.8, 0.1], [2.0, 2.0, 0.2, 0.7]]
    """
    groups = shift[shift["status"] == "ok"].groupby(["hyperplane", "baseline", "offset"], sort=False)
    means = groups.agg(n_pairs=("p_to", "size"), p_from_mean=("p_from", "mean"), p_to_mean=("p_to", "mean"))
    return means.reset_index()


def _of_draw(pairs: pd.DataFrame) -> dict[str, float | None]:
    before = float(pairs["before"].mean())
    after = float(pairs["after"].mean())
    factors = pairs["factor"].dropna().to_numpy(float)
    return {
        "before": before,
        "after": after,
        "factor_of_means": after / before if before > SMALLEST else None,
        "mean_of_factors": float(factors.mean()) if factors.size else None,
        "swap_rate": float(pairs["swapped"].mean()),
        "swap_rate_published": float(pairs["swapped_published"].mean()),
    }
