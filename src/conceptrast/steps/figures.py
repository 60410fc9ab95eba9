"""Draw a card for every class of a study, and the study's overview."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.names import file_name
from conceptrast.base.progress import progress
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.concepts.card_evidence import StudyEvidence, study_cards
from conceptrast.concepts.recipes import Recipe
from conceptrast.figures.canvas import save_png
from conceptrast.figures.class_card import draw_class_card
from conceptrast.figures.overview import draw_overview
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    attributions: list[Path],
    components: Path,
    prototypes: Path,
    prediction: Path,
    cards: Path,
    overview: Path,
    manifest: Path,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write ``<cards>/<class index>-<name>.png``, ``overview``, and ``manifest``: class, class_name, file.

    Settings: ``study`` is its name, ``card_recipe`` the key of ``recipes`` that cards show; the rest as in every step.
    """
    name = settings["card_recipe"]
    recipe = Recipe.from_settings(name, settings["recipes"][name])
    pictures = open_pictures(settings, index, class_names, weights, workers)
    found = read_arrays(components)
    cards.mkdir(parents=True, exist_ok=True)
    drawn, files = [], []
    evidence = StudyEvidence(
        attribution=read_attributions(attributions),
        components=found,
        prototypes=read_table(prototypes),
        predictions=read_table(predictions),
        verdicts=read_table(prediction),
    )
    stream = study_cards(
        pictures, settings["layer"], settings["study"], recipe, evidence=evidence, precision=settings["precision"]
    )
    for card in progress(stream, "drawing", len(found["classes"]), "cards"):
        files.append((card.class_index, card.class_name, file_name(card.class_index, card.class_name)))
        save_png(draw_class_card(card), cards / files[-1][2])
        drawn.append(card)
    for stale in set(cards.glob("[0-9]*-*.png")) - {cards / file for _, _, file in files}:
        stale.unlink()
    save_png(draw_overview(drawn, settings["study"]), overview)
    write_table(pd.DataFrame(files, columns=["class", "class_name", "file"]), manifest)


if __name__ == "__main__":
    run(main)
