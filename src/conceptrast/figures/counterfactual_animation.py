"""The way of a counterfactual as an animation: original and decoded picture side by side, as a GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from conceptrast.base.files import atomic
from conceptrast.base.names import short
from conceptrast.counterfactual.story import Story
from conceptrast.figures.canvas import FAINT, FIRST, SECOND

SIDE = 176  # of a picture, in pixels
SPACE = 10
LINE = 17
PAUSE = 900  # milliseconds at either end
STEP = 90  # milliseconds at every frame between
MOST_BYTES = 1_000_000


def animation(story: Story, names: Sequence[str]) -> list[Image.Image]:
    """Frames along the way: the original, the decoded picture, and the probabilities of both classes."""
    font = ImageFont.truetype(findfont("DejaVu Sans"), 12)  # ships with matplotlib; Pillow's own has no λ
    return [_frame(story, step, names, font) for step in range(len(story.frames))]


def _frame(
    story: Story, step: int, names: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    # The canvas.
    height, width = story.original.shape[:2]
    scale = SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    canvas = Image.new("RGB", (2 * size[0] + 3 * SPACE, size[1] + 2 * SPACE + 3 * LINE), "white")
    draw = ImageDraw.Draw(canvas)
    # Both pictures, side by side.
    for column, picture in enumerate((story.original, story.frames[step])):
        resized = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
        canvas.paste(resized, (SPACE + column * (size[0] + SPACE), SPACE))
    # What the model says of the decoded one.
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
    """Write frames as a GIF that runs back and forth for ever and rests at both ends.

    Args:
        frames: the frames, all of one size.
        path: the path of the file.
        most_bytes: the largest size of the file; pictures are made smaller until it fits.

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
    """The first, the middle and the last frame on one picture, from which the palette is made."""
    samples = [frames[0], frames[len(frames) // 4], frames[len(frames) // 2]]
    whole = Image.new("RGB", (frames[0].width, 3 * frames[0].height))
    for place, frame in enumerate(samples):
        whole.paste(frame, (0, place * frame.height))
    return whole
