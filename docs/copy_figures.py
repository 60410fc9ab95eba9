"""Copy the figures of a finished default run into the documents: ``python docs/copy_figures.py [FOLDER]``.

The folder is that of the run's results, ``results/default`` if it is left out. The photographs of other runs are not
part of the repository, so their figures are not copied.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FIGURES = {
    "ace.png": "pairs-layer3/ace/7-3-7.png",
    "bias-cause.png": "latent_bias/digits/cause.png",
    "class-card.png": "pairs-layer3/cards/7-3-7.png",
    "contrast.png": "pairs-layer3/contrasts/7-3-7-not-8-3-8.png",
    "counterfactual.gif": "pairs-layer3/counterfactuals/8-3-8-to-7-3-7-transplant.gif",
    "counterfactual.png": "pairs-layer3/counterfactuals/8-3-8-to-7-3-7.png",
    "concept_pictures.png": "pairs-layer3/concept_pictures/7-3-7.png",
    "dff.png": "dff/photographs/4-coffee.png",
    "saliency-pairs.png": "saliency/pairs/maps.png",
    "shortcut.png": "pairs-layer3/shortcut.png",
    "saliency.png": "saliency/photographs/maps.png",
}
"""Figures of the documents, and the files below ``figures/`` of the run."""


def copy_figures(results: Path, documents: Path) -> None:
    """Copy every figure of the table.

    Args:
        results: folder of the run's results.
        documents: folder of the documents' figures.

    Raises:
        FileNotFoundError: the run has no such figure; nothing is copied.
    """
    sources = {name: results / "figures" / path for name, path in FIGURES.items()}
    for source in sources.values():
        if not source.is_file():
            raise FileNotFoundError(f"{source} does not exist: make reproduce writes it")
    for name, source in sources.items():
        shutil.copyfile(source, documents / name)


if __name__ == "__main__":
    copy_figures(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results" / "default"), ROOT / "docs" / "figures")
