"""What the project says of itself is the same in all places: version, licence, papers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
NEEDED = {"cff-version", "message", "title", "authors"}
"""Keys that the Citation File Format 1.2.0 demands."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The table ``project`` of pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    """CITATION.cff."""
    return yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())


def test_the_version_is_the_same_everywhere(project: dict[str, Any], citation: dict[str, Any]) -> None:
    latest = re.search(r"^## \[(.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest is not None
    assert project["version"] == citation["version"] == latest.group(1)


def test_the_licence_and_its_holder_are_the_same_everywhere(project: dict[str, Any], citation: dict[str, Any]) -> None:
    text = (REPOSITORY / "LICENSE").read_text()
    (author,) = project["authors"]
    assert project["license"] == citation["license"] == "MIT"
    assert text.startswith("MIT License\n")
    assert author["name"] in text
    assert citation["authors"] == [author]


def test_the_citation_has_what_its_format_demands(citation: dict[str, Any]) -> None:
    assert citation.keys() >= NEEDED
    assert citation["cff-version"] == "1.2.0"
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()
        assert all({"given-names", "family-names"} == author.keys() for author in reference["authors"])


@pytest.mark.parametrize("document", ["README.md", "docs/method.md"])
def test_papers_that_the_documents_link_to_are_cited(citation: dict[str, Any], document: str) -> None:
    linked = set(re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5})", (REPOSITORY / document).read_text()))
    cited = {reference["url"].rpartition("/")[2] for reference in citation["references"]}
    assert linked <= cited
    assert all(f"arXiv:{number}" in str(citation) for number in cited)


def test_every_package_of_the_constraints_has_one_line_in_order() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().split()
    names = [line.partition("==")[0].lower() for line in lines]
    assert len(set(names)) == len(names)
    assert lines == sorted(lines, key=str.lower)
