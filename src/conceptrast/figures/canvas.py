"""A sheet for pictures, frames and lines of text, measured in inches.

The whole sheet has one axes: a card has some hundred pictures, and an axes for each would cost seconds. ``x`` grows to
the right and ``y`` downwards, from the top left corner; colour-blind readers can tell the colours apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.text import Text
from PIL import Image

from conceptrast.base.errors import ConfigError
from conceptrast.base.files import atomic

DPI = 100
TICKS = 9  # points of the numbers along axes
INK = "#222222"
FAINT = "#666666"
MATCH = "#009E73"
MISMATCH = "#D55E00"
# Paul Tol's bright scheme, lengthened by four of his muted and light ones; component i has colour i everywhere.
COMPONENT_COLOURS = (
    *("#4477AA", "#EE6677", "#CCBB44", "#66CCEE", "#AA3377", "#228833"),
    *("#EE8866", "#332288", "#44BB99", "#882255"),
)
# Of zlib: a file is one hundredth larger than at its usual 6, and takes half the time.
_COMPRESSION = 4
# The two classes of a contrast.
FIRST = "#0072B2"
SECOND = "#D55E00"
FIXED_COLOURS = ("white", INK, FAINT, MATCH, MISMATCH, FIRST, *COMPONENT_COLOURS)


def component_colour(component: int) -> str:
    """Colour of a component, the same on every card and in every part of it.

    There are ten colours; then the same ten come half as light again, then half as dark. From the 31st on they repeat.

    Example:
        >>> component_colour(0), component_colour(10), component_colour(20)
        ('#4477AA', '#a2bbd4', '#223c55')
    """
    times, place = divmod(component, len(COMPONENT_COLOURS))
    colour = COMPONENT_COLOURS[place]
    if times % 3 == 0:
        return colour
    ground = 1.0 if times % 3 == 1 else 0.0
    red, green, blue = ((part + ground) / 2 for part in to_rgb(colour))
    return to_hex((red, green, blue))


class Picture(AxesImage):
    """A picture in colour that Pillow enlarges or reduces, to whole pixels. Matplotlib takes many times as long.

    Like matplotlib, it repeats pixels where a picture becomes at least three times as large; elsewhere it interpolates.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw the picture with any of matplotlib's renderers."""
        box = self.get_window_extent(renderer)
        magnification = renderer.get_image_magnification()
        image = Image.fromarray(np.ascontiguousarray(self.get_array()))
        # Whole pixels.
        left = round(box.x0 * magnification)
        bottom = round(box.y0 * magnification)
        width = max(1, round(box.x1 * magnification) - left)
        height = max(1, round(box.y1 * magnification) - bottom)
        scale = width / image.width
        filter_ = Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.HAMMING
        pixels = np.asarray(image.resize((width, height), filter_).convert("RGBA"))
        # Renderers start at the bottom.
        context = renderer.new_gc()
        renderer.draw_image(context, left / magnification, bottom / magnification, pixels[::-1].copy())
        context.restore()
        self.stale = False


class Sheet:
    """A figure of ``width`` × ``height`` inches with one axes in those units.

    Example:
        >>> sheet = Sheet(2.0, 1.0)
        >>> _ = sheet.picture(np.zeros((4, 8, 3), np.uint8), 0.0, 0.0, 1.0, 1.0, frame="red")
        >>> sheet.figure.get_size_inches().tolist(), len(sheet.axes.images)
        ([2.0, 1.0], 1)
    """

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self.figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")

    def picture(
        self, image: np.ndarray, x: float, y: float, width: float, height: float, frame: str = "", line: float = 1.5
    ) -> tuple[float, float, float, float]:
        """Draw ``image`` [H, W, 3] centred in the box, as large as it fits, and return the box that it took."""
        scale = min(width / image.shape[1], height / image.shape[0])
        w = image.shape[1] * scale
        h = image.shape[0] * scale
        x = x + (width - w) / 2
        y = y + (height - h) / 2
        drawn = Picture(self.axes, extent=(x, x + w, y + h, y))
        drawn.set_data(image)
        self.axes.add_image(drawn)
        if frame:
            self.frame(x, y, width=w, height=h, colour=frame, line=line)
        return x, y, w, h

    def frame(self, x: float, y: float, width: float, height: float, colour: str, line: float = 1.5) -> None:
        """Outline of a box; ``line`` in points."""
        self._add(Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=line))

    def _add(self, patch: Patch) -> None:
        """Add a patch. ``add_patch`` would also look how far it reaches, which takes longer than to draw it."""
        self.axes.add_artist(patch)

    def chip(self, component: int, x: float, y: float, radius: float = 0.14) -> None:
        """Numbered disc in the component's colour, centred at (x, y)."""
        self._add(Circle((x, y), radius, color=component_colour(component), linewidth=0))
        self.text(str(component + 1), x, y + 0.005, size=9, colour="white", weight="bold", ha="center", va="center")

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Filled bar that starts at ``x``, centred on ``y``."""
        self._add(Rectangle((x, y - height / 2), width, height, color=colour, linewidth=0))

    def line(self, left: float, right: float, y: float, colour: str) -> None:
        """Thin horizontal line."""
        self.axes.plot([left, right], [y, y], color=colour, linewidth=1.2)

    def rule(self, y: float, left: float, right: float) -> None:
        """Thin line across the sheet."""
        self.axes.plot([left, right], [y, y], color="#CCCCCC", linewidth=0.8)

    def panel(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes in the box at (x, y), without a line at the top and on the right.

        Example:
            >>> Sheet(4.0, 2.0).panel(1.0, 0.5, width=2.0, height=1.0).get_position().extents.tolist()
            [0.25, 0.25, 0.75, 0.75]
        """
        box = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        axes.tick_params(labelsize=TICKS, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        return axes

    def probability_axes(
        self, x: float, y: float, width: float, height: float, ticks: Sequence[str], at: Sequence[float] | None = None
    ) -> Axes:
        """Axes for probabilities in the box at (x, y), with a tick ``at`` each place; equally spaced without places."""
        places = range(len(ticks)) if at is None else at
        edge = 0.02 * (max(places) - min(places)) + 0.1
        axes = self.panel(x, y, width=width, height=height)
        axes.set(xlim=(min(places) - edge, max(places) + edge), ylim=(-0.02, 1.02))
        axes.set_xticks(places, ticks)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        return axes

    def text(
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: float = 8,
        colour: str = INK,
        weight: str = "normal",
        ha: str = "left",
        va: str = "top",
    ) -> Text:
        """A text of ``size`` points, its top left corner at (x, y) unless aligned otherwise."""
        return self.axes.text(
            x,
            y,
            text,
            fontsize=size,
            color=colour,
            fontweight=weight,
            ha=ha,
            va=va,
            linespacing=1.25,
            # Class names are data: a dollar sign in a name must not start a formula.
            parse_math=False,
        )


ENDINGS = (".png", ".pdf", ".svg")
"""Endings of the files that a figure can be written to."""


def save_figure(figure: Figure, path: Path | str, dpi: int = DPI, palette: bool = True) -> None:
    """Write the figure as PNG, PDF or SVG; the ending of the file's name decides. Equal figures give equal bytes.

    Args:
        figure: the figure to write.
        path: the path of the file.
        dpi: dots per inch of a PNG, and of the pictures in the other two.
        palette: whether a PNG is written as :func:`save_png` does, or as :func:`save_full_png`.

    Raises:
        ConfigError: the file has another ending; the message names the three.

    Example:
        >>> save_figure(Sheet(1.0, 1.0).figure, "card.jpg")
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: a figure is written as .png, .pdf or .svg, got 'card.jpg'
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"a figure is written as .png, .pdf or .svg, got {str(path)!r}")
    if ending == ".png":
        write = save_png if palette else save_full_png
        write(figure, path, dpi)
        return
    dated = "CreationDate" if ending == ".pdf" else "Date"
    with atomic(path) as part, rc_context({"svg.hashsalt": "conceptrast"}):
        figure.savefig(part, format=ending[1:], dpi=dpi, metadata={dated: None})


def save_png(figure: Figure, path: Path | str, dpi: int = DPI) -> None:
    """Write the figure as a PNG with a palette: it has less than half the size and looks almost the same."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    small = with_palette(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    with atomic(path) as part:
        small.save(part, compress_level=_COMPRESSION)


def save_full_png(figure: Figure, path: Path | str, dpi: int = DPI) -> None:
    """Write the figure as a PNG in all its colours. If many colours blend, a palette would show as dots."""
    with atomic(path) as part:
        options = {"compress_level": _COMPRESSION}
        figure.savefig(part, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs=options)


def with_palette(rgb: Image.Image) -> Image.Image:
    """The picture in 256 colours. Colours with a meaning are kept exactly; the others are chosen from the pictures.

    Example:
        >>> with_palette(Image.new("RGB", (2, 2), MATCH)).convert("RGB").getpixel((1, 1))
        (0, 158, 115)
    """
    fixed = np.round(255 * np.array([to_rgb(colour) for colour in FIXED_COLOURS])).astype(np.uint8)
    free = 256 - len(fixed)
    # Every fourth pixel of every fourth row: colours as they are, in a sixteenth of the time.
    sample = Image.fromarray(np.asarray(rgb)[::4, ::4].copy()) if min(rgb.size) > 200 else rgb
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        fixed.ravel().tolist() + (sample.quantize(free, Image.Quantize.MEDIANCUT).getpalette() or [])[: 3 * free]
    )
    # Pillow dithers only if it is given a palette, and without dithering smooth heatmaps show steps.
    small = rgb.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    # Pillow also treats near colours as equal, but the white of the paper must stay white.
    packed = _packed(rgb)
    numbers = np.array(small)
    for number, colour in enumerate(_packed(Image.fromarray(fixed[None]))[0]):
        numbers[packed == colour] = number
    exact = Image.frombytes("P", rgb.size, numbers.tobytes())
    exact.putpalette(small.getpalette() or [])
    return exact


def _packed(rgb: Image.Image) -> np.ndarray:
    """One number for each pixel ``[H, W]``. Numbers can be compared many times as fast as colours."""
    return np.asarray(rgb.convert("RGBA")).view(np.uint32)[..., 0]
