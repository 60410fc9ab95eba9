"""The figures of the documents are those of a default run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("copy_figures", ROOT / "docs" / "copy_figures.py")
assert SPEC is not None
assert SPEC.loader is not None
MODULE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MODULE)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a run with a file for every figure."""
    for path in MODULE.FIGURES.values():
        figure = tmp_path / "results" / "figures" / path
        figure.parent.mkdir(parents=True, exist_ok=True)
        figure.write_text(path)
    return tmp_path / "results"


def test_every_figure_is_copied_under_its_name(results: Path, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    MODULE.copy_figures(results, tmp_path / "documents")
    copied = {path.name: path.read_text() for path in (tmp_path / "documents").iterdir()}
    assert copied == MODULE.FIGURES


def test_a_run_without_a_figure_copies_none(results: Path, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (results / "figures" / MODULE.FIGURES["saliency.png"]).unlink()
    with pytest.raises(FileNotFoundError, match=r"maps.png does not exist: make reproduce writes it"):
        MODULE.copy_figures(results, tmp_path / "documents")
    assert not list((tmp_path / "documents").iterdir())


def test_the_documents_show_every_figure_that_is_copied() -> None:
    texts = "".join((ROOT / name).read_text() for name in ("README.md", "docs/results.md"))
    assert set(MODULE.FIGURES) <= set(re.findall(r"figures/([\w-]+\.\w+)\)", texts))
