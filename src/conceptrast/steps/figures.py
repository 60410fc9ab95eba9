"""Draw the cards of a study's classes and its overview, and the pictures of their pages in the atlas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table
from conceptrast.base.names import file_name
from conceptrast.base.progress import progress
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.concepts.card_evidence import StudyEvidence, study_cards
from conceptrast.concepts.importance import importance_table
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.stability import comes_back
from conceptrast.figures.canvas import save_png
from conceptrast.figures.class_card import draw_class_card
from conceptrast.figures.class_page import save_class_page
from conceptrast.figures.overview import Overview
from conceptrast.steps.figure_folder import CLASSES, FigureFolder, PageFolder
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also all files from the study's steps."""

    predictions: Path
    attributions: list[Path]
    components: Path
    prototypes: Path
    prediction: Path
    importance: Path
    stability: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``<cards>/<class index>-<name>.png``, listed in ``manifest``, and one figure of all classes.

    ``pages`` has the facts of every class's page. Its pictures are in the folder of the same name.
    """

    cards: Path
    overview: Path
    manifest: Path
    pages: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Draw a study's figures and the pictures of its pages: every class has a page.

    Settings: ``study`` is its name; ``cards`` are the classes that get a card, all if it is ``None``; ``card_recipe``
    names the recipe that cards and pages show.
    """
    # What the cards show
    recipe = Recipe.from_settings(settings["card_recipe"], settings["recipes"][settings["card_recipe"]])
    evidence = StudyEvidence(
        attribution=read_attributions(inputs.attributions),
        components=read_arrays(inputs.components),
        prototypes=read_table(inputs.prototypes),
        predictions=read_table(inputs.predictions),
        verdicts=read_table(inputs.prediction),
        importance=importance_table(_of_recipe(read_table(inputs.importance), recipe)),
        stability=comes_back(_of_recipe(read_table(inputs.stability), recipe)),
    )
    pictures = open_pictures(settings, inputs)
    classes = evidence.classes(recipe)
    named = pictures.model.class_indices(settings["cards"])
    targets = classes if named is None else sorted(set(named) & set(classes))
    cards = study_cards(
        pictures,
        settings["layer"],
        settings["study"],
        recipe,
        evidence=evidence,
        targets=classes,
        precision=settings["precision"],
    )
    # A page for each class, a figure for each card, and the overview
    folder = FigureFolder(outputs.cards, CLASSES, "[0-9]*-*.png")
    overview = Overview(settings["study"], len(classes), evidence.matches(recipe))
    pages = PageFolder(outputs.pages)
    for card in progress(cards, "drawing", len(classes), "classes"):
        file = file_name(card.class_index, card.class_name)
        pages.add(save_class_page(card, pages.folder, Path(file).stem))
        if card.class_index not in targets:
            continue
        save_png(draw_class_card(card), folder.add(card.class_index, card.class_name, file))
        overview.add(card)
    save_png(overview.draw(), outputs.overview)
    folder.finish(outputs.manifest)
    pages.finish()


def _of_recipe(rows: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The rows of the recipe that cards show."""
    return rows[rows["recipe"] == recipe.name]


if __name__ == "__main__":
    run(main)
