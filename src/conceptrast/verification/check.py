"""Check one run: its files, the claims about it, and its metrics beside others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conceptrast.base.artifacts import changes_in
from conceptrast.base.errors import DataError, unknown_name
from conceptrast.verification.claims import read_claims, verdicts_of
from conceptrast.verification.comparison import Comparison, comparisons_of
from conceptrast.verification.report import (
    Outcome,
    claim_lines,
    comparison_lines,
    failure_lines,
    outcome_of,
    outcomes_over_seeds,
    summary_of_claims,
    summary_of_metrics,
)
from conceptrast.verification.results import Results, commit_of, finished_runs, results_at, results_of_run

CLAIMS = Path("docs", "claims.csv")
"""File of the claims in the repository."""

DEFAULT_REVISION = "HEAD"


@dataclass(frozen=True)
class Check:
    """What a check of a run came to.

    Args:
        run: name of the run.
        n_whole: how many of its files are as they were written.
        changes: one line for each file that is not.
        outcomes: of every claim about it.
        comparisons: of every metric; empty if there was nothing to compare with.
        summary_of_comparison: how the metrics compare in one line, or why they were not compared.
    """

    run: str
    n_whole: int
    changes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    comparisons: tuple[Comparison, ...]
    summary_of_comparison: str

    @property
    def holds(self) -> bool:
        """Whether all files are as they were written, and all claims hold."""
        return not self.changes and all(outcome.holds for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        """One line about files, claims and metrics."""
        files = f"{self.n_whole} of {self.n_whole + len(self.changes)} files as they were written; "
        recorded = files if self.n_whole or self.changes else ""
        return f"{recorded}{summary_of_claims(self.run, self.outcomes)}; {self.summary_of_comparison}"

    def lines(self, failures_only: bool = False) -> list[str]:
        """All lines of the report, the summary last; or only claims that fail, and the summary."""
        if failures_only:
            return [*self.changes, *failure_lines(self.outcomes), self.summary]
        return [*self.changes, *claim_lines(self.outcomes), *comparison_lines(self.comparisons), self.summary]


def check_run(repository: Path, run: str, against: str | None = None) -> Check:
    """Check a run's files and the claims about it, and compare its metrics with another run's or those of a revision.

    The claims are those of ``docs/claims.csv``. If the run repeats another one with several seeds, they include the
    claims about that one.

    Args:
        repository: its root.
        run: name of the run.
        against: name of a run or of a revision; ``None`` means ``HEAD``, if that has the run.

    Raises:
        DataError: something that was named does not exist or cannot be read.
    """
    # Files: what follows means nothing if they were changed.
    results = results_of_run(repository, run)
    n_whole, changes = changes_in(repository / "results" / run)

    # Claims.
    claims = read_claims(repository / CLAIMS)
    outcomes = [outcome_of(verdict) for verdict in verdicts_of(claims, run, results)]
    if "claims" in results.tables:
        outcomes += outcomes_over_seeds(results.tables["claims"], claims)

    # Metrics.
    comparisons: list[Comparison] = []
    try:
        before = _results_before(repository, run, against)
    except DataError as error:
        if against is not None:
            raise
        summary = f"metrics not compared: {error}"
    else:
        comparisons = comparisons_of(before, results)
        summary = summary_of_metrics(comparisons, before.name)
    return Check(
        run=run,
        n_whole=n_whole,
        changes=tuple(changes),
        outcomes=tuple(outcomes),
        comparisons=tuple(comparisons),
        summary_of_comparison=summary,
    )


def _results_before(repository: Path, run: str, against: str | None) -> Results:
    """What a run is compared with."""
    if against is None:
        return results_at(repository, run, DEFAULT_REVISION)
    if (repository / "results" / against / "metrics.json").is_file():
        return results_of_run(repository, against)
    try:
        commit_of(repository, against)
    except DataError as error:
        raise DataError(f"{error}, and {unknown_name('run', against, finished_runs(repository))}") from None
    return results_at(repository, run, against)
