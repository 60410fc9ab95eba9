"""The concepts of a class that ACE has found: example segments in their pictures, and how each CAV scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from conceptrast.ace.ace import AGAINST, FOR, AceSettings
from conceptrast.ace.class_concepts import ClassConcepts
from conceptrast.ace.superpixels import superpixels
from conceptrast.figures.canvas import FAINT, INK, MATCH, MISMATCH, Sheet, component_colour, short
from conceptrast.figures.evidence import pixels
from conceptrast.models.pictures import Pictures

WIDTH, MARGIN, CELL, GAP, HEAD, FOOT = 14.0, 0.35, 0.98, 0.06, 1.28, 0.78
EXAMPLES = 8
LEFT = MARGIN + 0.4  # where example segments start
STRIP = LEFT + EXAMPLES * (CELL + GAP) + 0.25  # where the scores start
STRIP_WIDTH, BINS = 1.75, 10
WORDS = STRIP + STRIP_WIDTH + 0.3
PALE = 0.72  # share of white in what surrounds a segment
LOOKS = {"resized": "each enlarged to the whole input", "in_place": "each in its place, the rest in the mean colour"}
NOTE = (
    "TCAV score: share of the class's images whose logit rises towards the concept. Up, coloured: the concept's CAVs, "
    "one for every draw of random segments; down, grey: CAVs between random segments;\n"
    "dashed: means. Derivative: of the logit, per unit along the CAV at every position, mean over images and draws. "
    "Holm: p corrected for the number of concepts."
)


@dataclass(frozen=True)
class ConceptRow:
    """One concept: pictures ``[H, W, 3]`` with their segment ``[H, W]``, scores ``[D]``, and lines that say it."""

    examples: Sequence[tuple[np.ndarray, np.ndarray]]
    scores: np.ndarray
    speaks: str
    facts: str
    shows: str = ""


@dataclass(frozen=True)
class AceCard:
    """All that the figure of a class shows; ``random`` are the scores of random CAVs ``[D]``."""

    class_name: str
    facts: str
    rows: Sequence[ConceptRow]
    random: np.ndarray
    left_out: Sequence[str] = ()


def ace_card(pictures: Pictures, found: ClassConcepts, settings: AceSettings, study: str) -> AceCard:
    """Put the figure of a class together, for the first shape of segments.

    Args:
        pictures: images and model.
        found: the class's concepts.
        settings: by which they were found.
        study: what the figure is from, for its header.
    """
    concepts, name = found.concepts[0], pictures.model.class_names[found.target]
    examples = concepts.examples(found.segments)
    views = pictures.by_id(np.unique(examples["image"].to_numpy(np.int64)))
    table = concepts.table[concepts.table["baseline"] == "none"]
    masks = cache(lambda image: superpixels(pixels(views[image]), settings.segments))
    rows = []
    for place, said in enumerate(table[table["status"] == "ok"].itertuples()):
        own = examples[examples["concept"] == said.concept]
        chosen = _first_of_each_image(own["image"].to_numpy(np.int64))[:EXAMPLES]
        pairs = own.iloc[chosen][["image", "segment"]].to_numpy(np.int64).tolist()
        shown = [(pixels(views[image]), masks(image)[segment]) for image, segment in pairs]
        facts = [
            f"TCAV {said.tcav:.2f}, random CAVs {said.tcav_random:.2f}",
            f"p = {said.p_corrected:.2g} (Holm), derivative {said.derivative:+.2f}",
            f"{said.n_segments} segments from {said.n_images} images",
        ]
        rows.append(
            ConceptRow(
                shown,
                concepts.tested.scores[place],
                str(said.speaks),
                "\n".join(facts),
                _shows(own["shows"].to_list() if "shows" in own else []),
            )
        )
    count = f"{len(found.segments.table)} segments of {len(found.images)} images predicted as the class"
    header = f"class {found.target}  ·  {count}, {LOOKS[concepts.segments_as]}  ·  {study}"
    return AceCard(name, header, rows, concepts.random, table.loc[table["status"] == "skipped", "reason"].to_list())


def draw_ace_card(card: AceCard) -> Figure:
    """One row for every kept concept, the strongest first.

    Args:
        card: what to show.

    Returns:
        A figure of its own, 14 inches wide; a class without concepts says why.
    """
    step = CELL + 0.16
    sheet = Sheet(WIDTH, HEAD + step * max(len(card.rows), 1) + FOOT)
    sheet.text(f"concepts of {short(card.class_name, 60)}", MARGIN, 0.2, size=18, weight="bold")
    sheet.text(card.facts, MARGIN, 0.56, size=9, colour=FAINT)
    sheet.rule(0.84, MARGIN, WIDTH - MARGIN)
    if card.rows:
        sheet.text("segments nearest to the concept's centre, in their pictures", LEFT, 0.95, size=8, colour=FAINT)
        sheet.text("TCAV scores", STRIP, 0.95, size=8, colour=FAINT)
        sheet.text("the test; what the concept is", WORDS, 0.95, size=8, colour=FAINT)
    else:
        sheet.text("no concept can be shown", MARGIN, HEAD, size=11, weight="bold")
    for number, row in enumerate(card.rows):
        _row(sheet, card, number, row, HEAD + number * step)
    bottom = HEAD + step * max(len(card.rows), 1) + 0.08
    sheet.rule(bottom - 0.04, MARGIN, WIDTH - MARGIN)
    sheet.text(NOTE if card.rows else "", MARGIN, bottom + 0.02, size=8, colour=FAINT)
    left_out = f"left out: {'; '.join(card.left_out)}" if card.left_out else ""
    sheet.text(short_line(left_out), MARGIN, bottom + 0.42, size=8, colour=FAINT)
    return sheet.figure


def highlighted(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with everything but a segment grey and pale.

    Args:
        picture: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` bool.

    Example:
        >>> picture = np.full((1, 2, 3), 100, np.uint8)
        >>> highlighted(picture, np.array([[True, False]]))[0, :, 0].tolist()
        [100, 212]
    """
    grey = 255 * PALE + (1 - PALE) * picture.mean(axis=2, keepdims=True)
    return np.where(mask[..., None], picture, np.round(grey)).astype(np.uint8)


def short_line(text: str, limit: int = 210) -> str:
    """A text that fits across the sheet."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _row(sheet: Sheet, card: AceCard, number: int, row: ConceptRow, y: float) -> None:
    colour = component_colour(number)
    sheet.chip(number, MARGIN + 0.16, y + CELL / 2)
    for place, (picture, mask) in enumerate(row.examples):
        box = sheet.picture(highlighted(picture, mask), LEFT + place * (CELL + GAP), y, CELL, CELL)
        _outline(sheet, mask, box, colour)
    _scores(sheet, row.scores, card.random, colour, y)
    said = {FOR: ("speaks for the class", MATCH), AGAINST: ("speaks against it", MISMATCH)}
    verdict, ink = said.get(row.speaks, ("not significant", FAINT))
    sheet.text(verdict, WORDS, y, size=11, weight="bold", colour=ink)
    sheet.text(row.facts, WORDS, y + 0.24, size=8, colour=INK)
    sheet.text(row.shows, WORDS, y + 0.78, size=8, weight="bold", colour=INK)


def _outline(sheet: Sheet, mask: np.ndarray, box: tuple[float, float, float, float], colour: str) -> None:
    """Border of a segment over its picture."""
    x, y, w, h = box
    rows, columns = mask.shape
    across, down = x + w * (np.arange(columns) + 0.5) / columns, y + h * (np.arange(rows) + 0.5) / rows
    sheet.axes.contour(across, down, mask.astype(float), levels=[0.5], colors=[colour], linewidths=1.6)


def _scores(sheet: Sheet, scores: np.ndarray, random: np.ndarray, colour: str, y: float) -> None:
    """Both distributions over draws from 0 to 1, the concept's upwards and that of random CAVs downwards."""
    middle, height, width = y + CELL / 2 - 0.05, CELL / 2 - 0.12, STRIP_WIDTH / BINS
    for values, ink, sign in ((scores, colour, -1), (random, "#BBBBBB", 1)):
        shares = np.histogram(values, bins=BINS, range=(0, 1))[0] / max(len(values), 1)
        for place, share in enumerate(shares):
            tall = share * height
            sheet.bar(STRIP + place * width + 0.01, middle + sign * tall / 2, width - 0.02, tall, ink)
        at = STRIP + float(np.mean(values)) * STRIP_WIDTH
        sheet.axes.plot([at, at], [middle, middle + sign * height], color=INK, linewidth=1.0, linestyle=(0, (2, 1.5)))
    sheet.axes.plot([STRIP, STRIP + STRIP_WIDTH], [middle, middle], color=INK, linewidth=0.8)
    for tick, at in (("0", 0.0), ("0.5", 0.5), ("1", 1.0)):
        sheet.text(tick, STRIP + at * STRIP_WIDTH, y + CELL - 0.13, size=7, colour=FAINT, ha="center")


def _first_of_each_image(images: np.ndarray) -> np.ndarray:
    """Places of the best segment of every image, then of the others."""
    first = np.sort(np.unique(images, return_index=True)[1])
    return np.concatenate([first, np.setdiff1d(np.arange(len(images)), first)])


def _shows(names: Sequence[str]) -> str:
    """What the segments of a concept truly show, where it is known."""
    if not len(names):
        return ""
    (name, count), *_ = Counter(names).most_common(1)
    return f"truly shows: {name} ({100 * count / len(names):.0f} %)"
