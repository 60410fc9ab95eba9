"""The notebook runs as a reader would run it, without a download, and asks all six questions."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"
QUESTIONS = ("saliency", "dff", "explain", "contrast", "concepts", "counterfactual")
LESS = {
    "DecoderOptions(": ("epochs=16", "epochs=1"),
    "TrainOptions(epochs": ("epochs=2", "epochs=1"),
    "open_dataset(": ('"train": 600, "validation": 200', '"train": 300, "validation": 100'),
}
"""By a word of their cells, what the test takes in place of what is there."""
SECONDS = 240
"""Of a whole run at most: it takes less than one minute on two idle cores, and other tests may run beside it."""


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_valid_and_holds_no_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []


def test_the_notebook_answers_six_questions(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    # Half of its time goes into epochs and pictures, and fewer of them give all answers, too.
    for word, (there, less) in LESS.items():
        [cell] = [cell for cell in notebook.cells if cell.cell_type == "code" and word in cell.source]
        assert there in cell.source
        cell.source = cell.source.replace(there, less)
    start = time.perf_counter()
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    assert time.perf_counter() - start < SECONDS

    for question in QUESTIONS:
        [cell] = [cell for cell in notebook.cells if cell.cell_type == "code" and f".{question}(" in cell.source]
        answers = [output.data for output in cell.outputs if output.output_type == "execute_result"]
        assert len(answers) == 1, question
        assert "data:image/png" in answers[0]["text/html"], question
