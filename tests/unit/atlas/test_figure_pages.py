"""Pages of analyses that are shown by figures: what their tables show, and what stands beside the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from conceptrast.atlas.atlas import Sources, write_atlas
from conceptrast.base.files import write_json, write_table
from tests.unit.atlas.made_run import HEAD, description, make_run

ENTRIES = {
    "saliency": ("saliency_randomisation", {"view": "mine", "method": "eigen_cam", "n_images": 4, "n_flat": 3}),
    "dff": ("dff_summary", {"dff": "mine", "status": "skipped", "beyond_low": -0.25, "beyond_high": 0.5}),
    "bias": ("latent_bias", {"bias": "mine", "network": "resnet", "status": "skipped"}),
    "shortcut": ("shortcut", {"study": "mine", "kind": "component", "rank": 2, "auroc_pasted_low": 0.25}),
}
"""By analysis, one of its tables and a row of it."""


def words(folder: Path, claims: str = HEAD) -> dict[str, str]:
    """The text of every page of a run with these analyses, by its path."""
    make_run(folder)
    known = description()
    questions = {**known.questions, **dict.fromkeys(ENTRIES, "What?")}
    entries = {**known.entries, "models": ["net"], **{analysis: ["mine"] for analysis in ENTRIES}}
    tables = {**known.tables, **{analysis: [table] for analysis, (table, _) in ENTRIES.items()}}
    for table, row in ENTRIES.values():
        write_table(pd.DataFrame([row]), folder / "tables" / f"{table}.csv")
    write_json({"net/accuracy": 0.75}, folder / "metrics.json")
    (folder / "claims.csv").write_text(claims)
    sources = Sources(folder=folder, repository=folder, claims=folder / "claims.csv")
    write_atlas(replace(known, questions=questions, entries=entries, tables=tables), sources, folder / "atlas")
    return {str(path.relative_to(folder / "atlas")): path.read_text() for path in (folder / "atlas").rglob("*.html")}


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("maps/mine.html", ("rank correlation counts as 0", ">flat maps<", ">3<")),
        ("dff/mine.html", ("a fall has a minus", ">-0.25<", ">0.5<")),
        ("bias/mine.html", ("resnet is called plain classifier",)),
        ("shortcut/mine.html", (">auroc pasted low<", ">0.25<")),
    ],
)
def test_a_table_has_what_its_numbers_are_read_with(tmp_path: Path, path: str, parts: tuple[str, ...]) -> None:
    text = words(tmp_path)[path]
    for part in parts:
        assert part in text


def test_a_claim_about_a_model_leads_to_the_page_of_models(tmp_path: Path) -> None:
    page = words(tmp_path, f"{HEAD}default,It is right.,net/accuracy,>=,0.5\n")["claims.html"]
    assert '<a href="models.html">models</a>' in page
