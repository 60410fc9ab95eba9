"""The numbers in the documents are those of the committed tables, and what they name and link to is there."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import conceptrast
from conceptrast.cli import COMMANDS, parser

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("document_tables", ROOT / "docs" / "tables.py")
assert SPEC is not None
assert SPEC.loader is not None
TABLES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TABLES)

DOCUMENTS = [
    "README.md",
    "config/README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
README_BYTES = 11 * 1024
NAMED = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|smk|md|yaml|ipynb)|(?:[\w.-]+/)+)`")
FOLDERS = ("api/", "cli/", "config/", "plan/", "src/", "tests/", "workflow/")
EXAMPLES = {"config/mine.yaml"}


def committed(run: str, name: str) -> pd.DataFrame:
    """A table as it was committed: a run on another processor may change the last digits in the working tree."""
    path = f"results/{run}/tables/{name}.csv"
    output = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True, check=True)
    return pd.read_csv(io.StringIO(output.stdout))


def anchors(document: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named_files(text: str) -> list[str]:
    """Files and folders of the repository that a document names."""
    return [name for name in NAMED.findall(text) if not name.endswith("/") or name.startswith(FOLDERS)]


@pytest.mark.parametrize("name", TABLES.DOCUMENTS)
def test_tables_in_the_documents_are_those_of_the_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLES, "table", committed)
    text = (ROOT / name).read_text()
    assert "<!-- table:" in text
    assert TABLES.updated(text) == text


def test_every_table_and_every_figure_has_its_place() -> None:
    text = "".join((ROOT / name).read_text() for name in DOCUMENTS)
    assert sorted(re.findall(r"<!-- table: ([\w-]+) -->", text)) == sorted(TABLES.TABLES)
    assert [path.name for path in (ROOT / "docs" / "figures").iterdir() if f"figures/{path.name})" not in text] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    links = [link for link in re.findall(r"\]\(([^)]+)\)", document.read_text()) if "://" not in link]
    dead = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_the_documents_name_exist(name: str) -> None:
    """Paths are relative to the package, to the repository or to the document."""
    document = ROOT / name
    bases = (ROOT, ROOT / "src" / "conceptrast", document.parent)
    names = named_files(document.read_text())
    assert [path for path in names if path not in EXAMPLES and not any((base / path).exists() for base in bases)] == []


def test_the_table_of_methods_names_every_room_of_methods() -> None:
    rooms = {path.split("/")[0] for path in named_files((ROOT / "docs" / "method.md").read_text())}
    assert rooms >= {"attribution", "concepts", "contrast", "ace", "counterfactual", "bias", "saliency", "dff"}


def test_the_readme_is_read_to_its_end() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.encode()) <= README_BYTES
    assert len(re.findall(r"^!\[", readme, re.MULTILINE)) == 4
    questions = readme.split("## Five questions")[1].split("\n## ")[0].split("\n### ")[1:]
    assert [question.count("<!-- table:") for question in questions] == [1] * 5


@pytest.mark.parametrize("name", ["README.md", "docs/method.md"])
def test_examples_call_what_there_is(name: str) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    trees = [ast.parse(block) for block in code]
    assert trees
    used = {
        (node.value.id, node.attr)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    owners = {"cc": conceptrast, "study": getattr(conceptrast, "Study", None)}
    assert [f"{owner}.{name}" for owner, name in used if owner in owners and not hasattr(owners[owner], name)] == []


def test_the_shell_understands_the_readme() -> None:
    lines = re.findall(r"^    conceptrast (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    common = "--model efficientnet_lite0 --weights package"
    commands = [shlex.split(line.replace("…", common), comments=True) for line in lines]
    assert {words[0] for words in commands} == set(COMMANDS)
    for words in commands:
        parser().parse_args(words)


def test_every_configuration_is_described() -> None:
    text = (ROOT / "config" / "README.md").read_text()
    assert [path.name for path in (ROOT / "config").glob("*.yaml") if f"| `{path.name}` |" not in text] == []


def test_the_spread_of_claims_over_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"sentence": "It reads.", "relation": ">=", "bound": "0.5", "limit": 0.5}
    cells = {"metric": "shift.csv:swap_rate_mean[study=a|b,baseline=none]", "value": 0.75, "holds": True}
    rows = [
        {**row, "metric": "net/accuracy", "value": 0.25, "holds": False},
        {**row, "metric": "net/accuracy", "value": 1.0, "holds": True},
        {**row, **cells},
        {**row, **cells},
    ]
    gone = {**row, **cells, "sentence": "It was said before."}
    monkeypatch.setattr(TABLES, "table", lambda run, name: pd.DataFrame([*rows, gone]))
    monkeypatch.setattr(TABLES, "claimed_sentences", lambda: {"It reads."})
    assert TABLES.spread("seeds").splitlines()[2:] == [
        "| It reads. | net/accuracy | 0.25 to 1 | >= 0.5 | 1 of 2 |",
        "|  | swap_rate_mean in shift (a / b) | 0.75 | >= 0.5 | 2 of 2 |",
    ]
