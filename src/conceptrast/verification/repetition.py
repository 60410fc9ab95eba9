"""A run that is repeated with several seeds: how far its numbers spread, and which claims hold at every seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from conceptrast.verification.claims import Claim, verdicts_of
from conceptrast.verification.results import Results


def spread(metrics: Mapping[int, Mapping[str, float]]) -> pd.DataFrame:
    """Every metric at every seed.

    Args:
        metrics: the metrics of each seed by name.

    Returns:
        metric, n_seeds (at which it is known), mean, sd (of the sample; 0 for one seed), lowest, highest, and a column
        ``seed_<seed>`` for each seed, empty where the metric is not known. One row for each metric, by name.

    Example:
        >>> spread({1: {"net/accuracy": 0.5}, 2: {"net/accuracy": 1.0}})[["metric", "mean", "lowest", "seed_2"]]
                 metric  mean  lowest  seed_2
        0  net/accuracy  0.75     0.5     1.0
    """
    values = pd.DataFrame({f"seed_{seed}": pd.Series(numbers, dtype=float) for seed, numbers in metrics.items()})
    values = values.sort_index()
    summary = pd.DataFrame(
        {
            "n_seeds": values.notna().sum(axis=1),
            "mean": values.mean(axis=1),
            "sd": values.std(axis=1).fillna(0.0),
            "lowest": values.min(axis=1),
            "highest": values.max(axis=1),
        }
    )
    return pd.concat([summary, values], axis=1).rename_axis("metric").reset_index()


def claims_by_seed(claims: Iterable[Claim], run: str, results: Mapping[int, Results]) -> pd.DataFrame:
    """Every claim about a run at every seed.

    Args:
        claims: claims about any run.
        run: name of the run whose claims are checked.
        results: what the run came to with each seed.

    Returns:
        run, sentence, metric, relation, bound, seed, value, limit, margin (value, limit and margin as in
        :class:`~conceptrast.verification.claims.Verdict`), holds, reason. One row for each claim and seed.
    """
    columns = ["run", "sentence", "metric", "relation", "bound", "seed", "value", "limit", "margin", "holds", "reason"]
    claims = list(claims)
    rows = []
    for seed, outcome in results.items():
        for verdict in verdicts_of(claims, run, outcome):
            claim = verdict.claim
            rows.append(
                {
                    "run": run,
                    "sentence": claim.sentence,
                    "metric": claim.metric.text,
                    "relation": claim.relation,
                    "bound": claim.bound.text,
                    "seed": seed,
                    "value": verdict.value,
                    "limit": verdict.limit,
                    "margin": verdict.margin,
                    "holds": verdict.holds,
                    "reason": verdict.reason,
                }
            )
    return pd.DataFrame(rows, columns=columns)
