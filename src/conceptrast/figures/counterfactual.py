"""A counterfactual as pictures: a strip along each direction, and an animation of one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from conceptrast.base.files import atomic
from conceptrast.base.names import short
from conceptrast.counterfactual.study_counterfactuals import Story
from conceptrast.figures.canvas import FAINT, FIRST, INK, SECOND, Sheet

MARGIN, CELL, GAP, HEAD, ROW, LABEL = 0.35, 1.15, 0.08, 1.25, 1.78, 2.0
SIDE, SPACE, LINE = 176, 10, 17  # of an animation, in pixels
PAUSE, STEP = 900, 90  # milliseconds at either end, and at every frame between
MOST_BYTES, MOST_FRAMES = 1_000_000, 6


def draw_counterfactual(stories: Sequence[Story], names: Sequence[str], title: str, note: str) -> Figure:
    """A strip for every direction: decoded pictures on the way, what the model says of them, and where they change.

    Args:
        stories: of one image, one for each direction, with equally many frames; at most six of them are shown.
        names: of A and B.
        title: heading.
        note: line below it.
    """
    steps = len(_shown(stories[0]))
    width = 2 * MARGIN + LABEL + (steps + 2) * (CELL + GAP) + 0.3
    sheet = Sheet(width, HEAD + ROW * len(stories) + 0.1)
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, 0.52, size=9, colour=FAINT)
    _legend(sheet, names, 0.76)
    for place, story in enumerate(stories):
        y = HEAD + place * ROW
        sheet.rule(y - 0.1, MARGIN, width - MARGIN)
        sheet.text(story.direction.name.replace("_", " "), MARGIN, y + 0.05, size=11, weight="bold")
        sheet.text(_wrapped(story.direction.origin), MARGIN, y + 0.3, size=8, colour=FAINT)
        end = (
            f"picture is B at λ = {story.lambdas[-1]:.2f}"
            if story.found
            else f"not B up to λ = {story.lambdas[-1]:.2f}"
        )
        sheet.text(end, MARGIN, y + 0.85, size=8, colour=SECOND if story.found else INK)
        _strip(sheet, story, MARGIN + LABEL, y)
    return sheet.figure


def _strip(sheet: Sheet, story: Story, x: float, y: float) -> None:
    """Original, frames and change of one story."""
    sheet.picture(story.original, x, y, CELL, CELL)
    sheet.text("original", x, y + CELL + 0.05, size=8, colour=FAINT)
    shown = _shown(story)
    for place, step in enumerate(shown):
        left = x + (place + 1) * (CELL + GAP) + 0.15
        sheet.picture(story.frames[step], left, y, CELL, CELL)
        _bars(sheet, story.decoded[step], left, y + CELL + 0.1)
        said = f"λ {story.lambdas[step]:.2f}   suffix p(B) {story.suffix[step, 1]:.2f}"
        sheet.text(said, left, y + CELL + 0.24, size=7, colour=FAINT)
    left = x + (len(shown) + 1) * (CELL + GAP) + 0.3
    change = story.change
    sheet.picture(heat(change), left, y, CELL, CELL)
    sheet.text(f"change, up to {change.max():.2f}", left, y + CELL + 0.05, size=8, colour=FAINT)


def _shown(story: Story) -> list[int]:
    """Frames of a strip: both ends and others at equal distances."""
    count = len(story.frames)
    return np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int).tolist()


def _bars(sheet: Sheet, said: np.ndarray, x: float, y: float) -> None:
    """Probabilities of A and B of a decoded picture, one bar above the other."""
    for number, (share, colour) in enumerate(zip(said, (FIRST, SECOND), strict=True)):
        sheet.bar(x, y + 0.08 * number, CELL, 0.05, "#EEEEEE")
        sheet.bar(x, y + 0.08 * number, CELL * float(share), 0.05, colour)


def _legend(sheet: Sheet, names: Sequence[str], y: float) -> None:
    sheet.bar(MARGIN, y + 0.08, 0.25, 0.07, FIRST)
    sheet.text(f"p(A), A = {short(names[0])}", MARGIN + 0.32, y, size=9)
    sheet.bar(MARGIN + 2.6, y + 0.08, 0.25, 0.07, SECOND)
    sheet.text(f"p(B), B = {short(names[1])}: the whole model on the decoded picture", MARGIN + 2.92, y, size=9)


def _wrapped(text: str, limit: int = 30) -> str:
    """Lines of at most ``limit`` characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= limit:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:3])


def heat(change: np.ndarray) -> np.ndarray:
    """A map ``[H, W]`` as a picture ``[H, W, 3]`` uint8, its highest value the brightest.

    Example:
        >>> heat(np.array([[0.0, 2.0]]))[0, 1].tolist()
        [251, 252, 191]
    """
    coloured: np.ndarray = colormaps["magma"](change / max(float(change.max()), 1e-12))[..., :3]
    return (255 * coloured).astype(np.uint8)


def animation(story: Story, names: Sequence[str]) -> list[Image.Image]:
    """Frames along the way: the original, the decoded picture, and the probabilities of both classes."""
    font = ImageFont.truetype(findfont("DejaVu Sans"), 12)  # ships with matplotlib; Pillow's own has no λ
    return [_frame(story, step, names, font) for step in range(len(story.frames))]


def _frame(
    story: Story, step: int, names: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    height, width = story.original.shape[:2]
    scale = SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    canvas = Image.new("RGB", (2 * size[0] + 3 * SPACE, size[1] + 2 * SPACE + 3 * LINE), "white")
    draw = ImageDraw.Draw(canvas)
    for column, picture in enumerate((story.original, story.frames[step])):
        shown = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
        canvas.paste(shown, (SPACE + column * (size[0] + SPACE), SPACE))
    top = size[1] + SPACE + 3
    draw.text((SPACE, top), f"original          λ = {story.lambdas[step]:.2f}", fill=FAINT, font=font)
    left = 2 * SPACE + size[0]
    for row, (share, colour) in enumerate(zip(story.decoded[step], (FIRST, SECOND), strict=True)):
        y = top + (row + 1) * LINE
        draw.text((SPACE, y), f"p({short(names[row], 20)})", fill=colour, font=font)
        draw.rectangle((left, y + 4, left + size[0], y + 12), fill="#EEEEEE")
        draw.rectangle((left, y + 4, left + round(float(share) * size[0]), y + 12), fill=colour)
    return canvas


def save_gif(frames: Sequence[Image.Image], path: Path | str, most_bytes: int = MOST_BYTES) -> None:
    """Write frames as a GIF that runs forth and back for ever, resting at both ends.

    Args:
        frames: of one size.
        path: where to.
        most_bytes: pictures are made smaller until the file is.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.gif")
        >>> save_gif([Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")], path)
        >>> with Image.open(path) as gif:
        ...     gif.n_frames, gif.info["loop"]
        (4, 0)
    """
    there_and_back = [*frames, *reversed(frames[1:-1])]
    last = len(frames) - 1
    pauses = [PAUSE if place in (0, last) else STEP for place in range(len(there_and_back))]
    content = _gif(there_and_back, pauses)
    while len(content) > most_bytes:
        there_and_back = [frame.resize((frame.width * 4 // 5, frame.height * 4 // 5)) for frame in there_and_back]
        content = _gif(there_and_back, pauses)
    with atomic(path) as part:
        part.write_bytes(content)


def _gif(frames: Sequence[Image.Image], pauses: Sequence[int]) -> bytes:
    stream = io.BytesIO()
    # One palette for all frames: colours that jump from frame to frame would look like change.
    palette = _montage(frames).quantize(255, Image.Quantize.MEDIANCUT)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    small[0].save(stream, "gif", save_all=True, append_images=small[1:], duration=list(pauses), loop=0, optimize=False)
    return stream.getvalue()


def _montage(frames: Sequence[Image.Image]) -> Image.Image:
    """First, middle and last frame on one picture: what the palette has to serve."""
    chosen = [frames[0], frames[len(frames) // 4], frames[len(frames) // 2]]
    whole = Image.new("RGB", (frames[0].width, 3 * frames[0].height))
    for place, frame in enumerate(chosen):
        whole.paste(frame, (0, place * frame.height))
    return whole
