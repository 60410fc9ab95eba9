"""Write the atlas of a run: all pages of what is there, and a note of what is not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from conceptrast.atlas.answers import Answer, answers
from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.figure_pages import FigurePages
from conceptrast.atlas.provenance import provenance_of
from conceptrast.atlas.run_files import Description, RunFiles
from conceptrast.atlas.site import Site
from conceptrast.atlas.study_pages import StudyPages
from conceptrast.base.errors import DataError
from conceptrast.verification.claims import read_claims, verdicts_of
from conceptrast.verification.report import outcomes_over_seeds

ROWS_OF_A_TABLE = 150
"""Number of rows of a table on its page; the CSV file has them all."""


@dataclass(frozen=True)
class Sources:
    """Where an atlas is made from.

    Args:
        folder: the folder of the run.
        repository: root of the repository.
        claims: file of the claims.
    """

    folder: Path
    repository: Path
    claims: Path


def write_atlas(description: Description, sources: Sources, folder: Path) -> tuple[RunFiles, list[Answer]]:
    """Write all pages of a run.

    Args:
        description: what the run was asked, and what it was made from.
        sources: its files.
        folder: where the pages go.

    Returns:
        The files of the run, with those that are missing, and the answers to its questions.
    """
    # What is there.
    files = RunFiles(sources.folder, description)
    claims = checked_claims(files, sources.claims)
    provenance = provenance_of(description, sources.repository)
    shared = {
        "run": description.run,
        "provenance": provenance,
        "claims": claims,
        "description": description,
        "tables": list(files.tables),
    }
    site = Site(folder, sources.folder, shared)
    answered = answers(files, claims)

    # Pages of studies, of other analyses, of claims and tables.
    studies = description.entries.get("concepts", [])
    contrasts = [(study, StudyPages(files, site, claims, study).write()) for study in studies]
    pages = FigurePages(files, site, claims, {answer.analysis: answer for answer in answered}).write()
    write_claims(site, claims, description.entries.get("models", ()))
    write_tables(site, files, claims)

    # The first page, which says what is missing: last.
    site.write(
        "index.html",
        "index.html",
        title=description.run,
        answers=answered,
        contrasts=[(study, of_study) for study, of_study in contrasts if of_study],
        pages=pages,
        missing=list(dict.fromkeys([*files.missing, *site.missing])),
        settings=("", ""),
    )
    site.finish()
    return files, answered


def checked_claims(files: RunFiles, file: Path) -> CheckedClaims:
    """The claims about a run, checked; a wrong file of claims is a reason and no error."""
    run = files.description.run
    if files.results is None:
        return CheckedClaims(run, reason="The run is not finished, so no claim was checked.")
    try:
        claims = read_claims(file)
        over_seeds = files.tables.get("claims")
        further = [] if over_seeds is None else outcomes_over_seeds(over_seeds, claims)
        return CheckedClaims(run, verdicts=verdicts_of(claims, run, files.results), further=further)
    except DataError as error:
        return CheckedClaims(run, reason=f"No claim was checked: {error}.")


def write_claims(site: Site, claims: CheckedClaims, models: Collection[str]) -> None:
    """The page of all claims about the run, each with a link to its number: in a table, or on the page of models."""
    numbered = [
        (number, outcome, "models.html" if not outcome.table and outcome.source.partition("/")[0] in models else "")
        for number, outcome in enumerate(claims.outcomes, 1)
    ]
    sentences = [(sentence, list(group)) for sentence, group in groupby(numbered, key=lambda line: line[1].sentence)]
    site.write("claims.html", "claims.html", title="Claims", sentences=sentences, settings=("", ""))


def write_tables(site: Site, files: RunFiles, claims: CheckedClaims) -> None:
    """A page for each table, with its CSV file."""
    for name, table in files.tables.items():
        source = files.folder / "tables" / f"{name}.csv"
        target = site.folder / "tables" / f"{name}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        rows = claims.with_badges(name, files.records[name])
        claimed = [row for row in rows[ROWS_OF_A_TABLE:] if any(row["_badges"].values())]
        site.write(
            f"tables/{name}.html",
            "table.html",
            title=name,
            table=name,
            columns=list(table.columns),
            rows=[*rows[:ROWS_OF_A_TABLE], *claimed],
            n_rows=len(rows),
            settings=("", ""),
        )
