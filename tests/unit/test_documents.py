"""The numbers in the documents are those of the committed tables, and what they link to is there."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("document_tables", ROOT / "docs" / "tables.py")
assert SPEC is not None
assert SPEC.loader is not None
TABLES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TABLES)


def committed(run: str, name: str) -> pd.DataFrame:
    """A table as it was committed: a run on another processor may change the last digits in the working tree."""
    path = f"results/{run}/tables/{name}.csv"
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True, check=True)
    return pd.read_csv(io.StringIO(shown.stdout))


@pytest.mark.parametrize("name", TABLES.DOCUMENTS)
def test_tables_in_the_documents_are_those_of_the_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLES, "table", committed)
    text = (ROOT / name).read_text()
    assert "<!-- table:" in text
    assert TABLES.updated(text) == text


@pytest.mark.parametrize("name", ["README.md", "config/README.md", "docs/method.md", "docs/architecture.md"])
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []
