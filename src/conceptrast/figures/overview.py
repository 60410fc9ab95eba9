"""The overview of a study: every class with its combined images, the verdicts, and the best patch of each component."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.base.progress import counted
from conceptrast.concepts.cards import ClassCard, Verdict
from conceptrast.figures.canvas import FAINT, MATCH, MISMATCH, Sheet, component_colour
from conceptrast.figures.class_card import GAP, MARGIN, WIDTH, draw_combined, verdict_text

LIMIT = 40
# Height of an entry, side of its combined images, height of the header.
ENTRY = 1.62
COMBINED = 1.05
TOP = 1.0
TITLES = {"all": "all images", "exclude_target": "without the class"}


class Overview:
    """The overview of a study: its classes on one sheet, two to a line, by class index.

    Only the cards that are drawn stay in memory, so it may get the cards of any number of classes.

    Args:
        study: the name of the study.
        n_classes: the number of its classes; not all of them need a card.
        matches: by selection, how many classes match, and how many the model was asked about.
        limit: the largest number of classes that are drawn; a note says which they are.
    """

    def __init__(self, study: str, n_classes: int, matches: Mapping[str, tuple[int, int]], limit: int = LIMIT) -> None:
        self.study = study
        self.n_classes = n_classes
        self.matches = matches
        self.limit = limit
        self._n_cards = 0
        self._drawn: list[ClassCard] = []

    def add(self, card: ClassCard) -> None:
        """Take the card of one more class; all cards are of one study and recipe."""
        self._n_cards += 1
        self._drawn = sorted([*self._drawn, card], key=lambda card: card.class_index)[: self.limit]

    def draw(self) -> Figure:
        """A figure of its own, 14 inches wide; without classes the sheet says so."""
        sheet = Sheet(WIDTH, TOP + math.ceil(len(self._drawn) / 2) * ENTRY + 0.1)
        self._header(sheet)
        column = (WIDTH - 2 * MARGIN) / 2
        for place, card in enumerate(self._drawn):
            _entry(sheet, card, x=MARGIN + (place % 2) * column, y=TOP + place // 2 * ENTRY, width=column - 0.25)
        return sheet.figure

    def _header(self, sheet: Sheet) -> None:
        sheet.text(self.study, MARGIN, 0.2, size=18, weight="bold")
        if not self.n_classes:
            sheet.text("no class has enough images that are predicted as it", MARGIN, 0.56, size=9, colour=FAINT)
            return
        facts = [f"recipe: {self._drawn[0].recipe}"] if self._drawn else []
        facts.append(counted(self.n_classes, "classes"))
        for selection, title in TITLES.items():
            if selection in self.matches:
                matched, asked = self.matches[selection]
                facts.append(f"{title}: {matched} of {asked} match")
        if len(self._drawn) < self._n_cards:
            facts.append(f"shown: the first {len(self._drawn)} by index")
        elif self._n_cards < self.n_classes:
            facts.append(f"shown: the {self._n_cards} with a card")
        sheet.text("  ·  ".join(facts), MARGIN, 0.56, size=9, colour=FAINT)


def _entry(sheet: Sheet, card: ClassCard, x: float, y: float, width: float) -> None:
    sheet.rule(y, x, x + width)
    sheet.text(short(card.class_name, 40), x, y + 0.07, size=10, weight="bold")
    facts = f"class {card.class_index}, {counted(card.n_images, 'images')}"
    sheet.text(facts, x + width, y + 0.08, size=9, colour=FAINT, ha="right")
    half = width / 2
    for place, selection in enumerate(card.rows):
        _half(sheet, card, selection=selection, x=x + place * half, y=y + 0.3, width=half - 0.15)


def _half(sheet: Sheet, card: ClassCard, selection: str, x: float, y: float, width: float) -> None:
    """One selection: the combined image on the left; title, best patches and verdict on the right of it."""
    verdict: Verdict | None = card.verdicts.get(selection)
    if verdict is not None:
        draw_combined(sheet, verdict, x + 0.05, y=y + 0.05, width=COMBINED, height=COMBINED, line=3)
    left = x + COMBINED + 0.16
    sheet.text(TITLES.get(selection, selection), left, y - 0.05, size=9, colour=FAINT)

    # The best patch of each component.
    rows = card.rows[selection]
    columns = 3 if len(rows) <= 6 else math.ceil(len(rows) / 2)
    lines = max(math.ceil(len(rows) / columns), 1)
    step = min((width - COMBINED - 0.16) / columns, 0.62 / lines + 0.04)
    for component, row in enumerate(rows):
        corner = (left + component % columns * step, y + 0.16 + component // columns * step)
        side = step - GAP
        sheet.picture(row.patches[0], *corner, side, side, frame=component_colour(component), line=1.2)

    # What the model says of the combined image.
    if verdict is not None:
        colour = MATCH if verdict.match else MISMATCH
        says, _ = verdict_text(verdict, card.class_name, 18).split("\n")
        sheet.text(says, left, y + 0.85, size=9, weight="bold", colour=colour)
        sheet.text(f"p(class) = {verdict.probability:.2f}", left, y + 1.01, size=9)
