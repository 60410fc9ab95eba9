"""The notebook runs as a reader would run it, without a download, and asks all six questions."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"
QUESTIONS = ("saliency", "dff", "explain", "contrast", "concepts", "counterfactual")
FEWER_EPOCHS = {"DecoderOptions(": "epochs=16", "TrainOptions(epochs": "epochs=2"}
"""By a word of their cells; the test takes one epoch of each."""
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

    # Half of its time goes into the epochs, and one of each gives all answers, too.
    for word, epochs in FEWER_EPOCHS.items():
        [training] = [cell for cell in notebook.cells if word in cell.source]
        assert epochs in training.source
        training.source = training.source.replace(epochs, "epochs=1")
    start = time.perf_counter()
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    assert time.perf_counter() - start < SECONDS

    for question in QUESTIONS:
        [cell] = [cell for cell in notebook.cells if cell.cell_type == "code" and f".{question}(" in cell.source]
        answers = [output.data for output in cell.outputs if output.output_type == "execute_result"]
        assert len(answers) == 1, question
        assert "data:image/png" in answers[0]["text/html"], question
