"""Networks and a planted rotation: what causes the answer, what a direction sorts, and maps of latent spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from conceptrast.base.names import short
from conceptrast.bias.cause import turning_curve
from conceptrast.bias.comparison import CONDITIONS, NETWORKS
from conceptrast.bias.latent_map import LatentMap
from conceptrast.bias.latent_space import LatentSpace
from conceptrast.bias.visibility import difference_curve
from conceptrast.figures.canvas import DPI, FAINT, FIRST, INK, SECOND, Sheet

TITLES = {"autoencoder": "adversarial autoencoder", "resnet": "plain classifier"}
TURNED = {
    "biased": ("turned by 0° to 90°", "turned by 90° to 180°"),
    "control": ("turned by 0° to 180°", "turned by 0° to 180°"),
}
COLOURS = (FIRST, SECOND)
PANEL = 4.7
HEIGHT = 3.3
MARGIN = 0.75
HEAD = 1.25
GAP = 0.75
BELOW = 1.15
NARROW = 2.55
LOW = 2.0
NEAR = 0.42
CAUSE_HEAD = 1.4
POSITION = "position (means of the classes: -1, +1)"


def draw_maps(maps: Mapping[tuple[str, str], LatentMap], bias: str) -> Figure:
    """Maps of training and validation codes, a panel for each condition and network, with pictures along the direction.

    Args:
        maps: the maps by condition and network.
        bias: its name.
    """
    note = "t-SNE of training (faint) and validation pictures; arrow: the direction as far as a flat map can show it"
    sheet = _grid(f"{bias}: two latent spaces", note, next(iter(maps.values())).class_names)
    for axes, key in _panels(sheet):
        panel = maps[key]
        for label, colour in enumerate(COLOURS):
            of_class = panel.labels == label
            validation = np.arange(len(of_class)) >= panel.n_training
            for places, alpha in (
                (panel.places[of_class & ~validation], 0.25),
                (panel.places[of_class & validation], 0.8),
            ):
                axes.scatter(places[:, 0], places[:, 1], s=14, color=colour, alpha=alpha, linewidth=0)
        start, end = panel.arrow
        style = {"arrowstyle": "-|>", "color": INK, "linewidth": 2.2, "mutation_scale": 20, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (end, 0), (start, 0), arrowprops=style)
        _subtitle(axes, f"the arrow accounts for {100 * panel.explained:.0f} % of the variance of the positions")
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set(visible=True, color="#CCCCCC")
        _draw_boxes(axes, panel)
    return sheet.figure


def _draw_boxes(axes: Axes, panel: LatentMap) -> None:
    """Pictures below a map, each with a line to its place."""
    for number, box in enumerate(panel.boxes):
        zoom = 0.5 * DPI / box.picture.shape[0] * 72 / DPI
        picture = OffsetImage(box.picture, zoom=zoom)
        place = ((number + 0.5) / len(panel.boxes), -0.11)
        style = {"edgecolor": COLOURS[box.label], "linewidth": 1.8}
        line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.7}
        drawn = AnnotationBbox(
            picture,
            (float(box.place[0]), float(box.place[1])),
            place,
            boxcoords="axes fraction",
            pad=0.1,
            bboxprops=style,
            arrowprops=line,
        )
        axes.add_artist(drawn)


def draw_visibility(
    spaces: Mapping[tuple[str, str], LatentSpace], readings: Mapping[tuple[str, str], np.ndarray], bias: str
) -> Figure:
    """What a person sees along the direction: how far pictures are turned, over their positions.

    On the left of each pair of panels are validation pictures turned by any angle; the line is the mean angle that the
    regressor reads off each fifth of them. On the right is the published curve of the condition's own pictures.

    Args:
        spaces: the spaces by condition and network.
        readings: the angles ``[n]`` that the regressor reads off the unbiased pictures.
        bias: its name.
    """
    note = "left: pictures turned by any angle, black: what a regressor reads off each fifth; right: published curve"
    names = next(iter(spaces.values())).class_names
    sheet = _grid(f"{bias}: does the direction between the classes sort pictures by their angle?", note, names)
    for axes, key in _panels(sheet):
        right = _split(sheet, axes)
        space = spaces[key]
        unbiased = space.turned[space.turned["turned"] == "unbiased"]
        scale = space.direction.reach or 1.0
        # The pictures of both classes, and the mean readings of fifths.
        for label, colour in enumerate(COLOURS):
            pictures = unbiased[unbiased["label"] == label]
            axes.scatter(pictures["position"] / scale, pictures["rotation"], s=14, color=colour, alpha=0.5, linewidth=0)
        order = np.argsort(unbiased["position"].to_numpy(), kind="stable")
        fifths = [part for part in np.array_split(order, 5) if len(part)]
        means = [readings[key][part].mean() for part in fifths]
        places = [(unbiased["position"].to_numpy()[part] / scale).mean() for part in fifths]
        axes.plot(places, means, color=INK, linewidth=2.2, marker="o", markersize=5)
        _subtitle(axes, f"pictures at the two ends: {means[0]:.0f}° and {means[-1]:.0f}°")
        axes.set(ylim=(-4, 184), yticks=[0, 45, 90, 135, 180])
        axes.set_ylabel("turned by, degrees", fontsize=9)
        axes.set_xlabel(POSITION, fontsize=9)
        # The published curve.
        curve = difference_curve(*(space.positions[name].to_numpy() for name in ("position", "rotation", "label")))
        right.plot(curve.distance / scale, curve.difference, color=INK, linewidth=1.8, label="seen")
        right.plot(curve.distance / scale, curve.separator, color=FAINT, linestyle="--", label="perfect separator")
        right.set(ylim=(0, 110), yticks=[0, 30, 60, 90])
        right.set_ylabel("difference of angles, degrees", fontsize=9, labelpad=2)
        right.set_xlabel("distance of two pictures", fontsize=9)
        right.legend(fontsize=9, frameon=False, loc="lower right", handlelength=1.0, handletextpad=0.4, borderaxespad=0)
    return sheet.figure


def draw_cause(spaces: Mapping[tuple[str, str], LatentSpace], bias: str, seed: int = 0) -> Figure:
    """What becomes of the answer when the same pictures are turned: p(class 2) and the position, over the angle.

    Args:
        spaces: the spaces by condition and network.
        bias: its name.
        seed: the seed of the bands.
    """
    # The header.
    names = next(iter(spaces.values())).class_names
    width = MARGIN + 4 * NARROW + 3 * NEAR + 0.3
    sheet = Sheet(width, CAUSE_HEAD + 2 * (LOW + NEAR) + 0.35)
    sheet.text(
        f"{bias}: what becomes of the answer when the same pictures are turned?", 0.35, 0.18, size=15, weight="bold"
    )
    for label, name in enumerate(names):
        sheet.text(
            f"● pictures of {short(name, 16)}", 0.35 + 2.2 * label, 0.56, size=11, colour=COLOURS[label], weight="bold"
        )
    note = "means over validation pictures, with 95 % bands; coloured ground: angles of each class in training"
    sheet.text(note, width - 0.3, 0.6, size=9, colour=FAINT, ha="right")
    # A column for each network and condition, a row for the probability and one for the position.
    keys = [(condition, network) for network in NETWORKS for condition in CONDITIONS]
    for column, key in enumerate(keys):
        space = spaces[key]
        for row, measure in enumerate(("probability", "position")):
            x = MARGIN + column * (NARROW + NEAR)
            axes = sheet.panel(x, CAUSE_HEAD + row * (LOW + NEAR), width=NARROW, height=LOW)
            _draw_curves(axes, space, measure, seed)
            _ground(axes, key[0])
            axes.set(xlim=(0, 180), xticks=[0, 45, 90, 135, 180])
            if row == 0:
                turned = "the angle went with the class" if key[0] == "biased" else "all angles for both"
                axes.set_title(f"{TITLES[key[1]]}\n{key[0]}: {turned}", fontsize=10, loc="left")
                axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1])
                axes.set_ylabel(f"p({short(names[1], 12)})" if column == 0 else "", fontsize=10)
            else:
                axes.set(ylim=(-2, 2), yticks=[-1, 0, 1])
                axes.set_xlabel("all pictures turned by, degrees", fontsize=9)
                axes.set_ylabel("position" if column == 0 else "", fontsize=10)
    return sheet.figure


def _draw_curves(axes: Axes, space: LatentSpace, measure: str, seed: int) -> None:
    """A line with its band for each class."""
    scale = 1.0 if measure == "probability" else space.direction.reach or 1.0
    for label, colour in enumerate(COLOURS):
        curve = turning_curve(space.turned, measure, label, seed)
        axes.fill_between(curve.angles, curve.low / scale, curve.high / scale, color=colour, alpha=0.25, linewidth=0)
        axes.plot(curve.angles, curve.mean / scale, color=colour, linewidth=2.2)


def _ground(axes: Axes, condition: str) -> None:
    """Tint the ground with the colour of the class whose pictures had these angles in training."""
    if condition == "biased":
        for label, colour in enumerate(COLOURS):
            axes.axvspan(90 * label, 90 * (label + 1), color=colour, alpha=0.07, linewidth=0)
    axes.axvline(90, color="#BBBBBB", linewidth=0.8, zorder=0)


def _split(sheet: Sheet, axes: Axes) -> Axes:
    """Narrow a panel, and give the axes of the room on its right."""
    box = axes.get_position()
    axes.set_position((box.x0, box.y0, 0.6 * box.width, box.height))
    return sheet.panel(
        x=(box.x0 + 0.72 * box.width) * sheet.width,
        y=(1 - box.y1) * sheet.height,
        width=0.28 * box.width * sheet.width,
        height=box.height * sheet.height,
    )


def _grid(title: str, note: str, class_names: Sequence[str]) -> Sheet:
    """A sheet with room for a panel per condition and network, and a key of the classes."""
    sheet = Sheet(MARGIN + 2 * PANEL + GAP + 0.3, HEAD + 2 * (HEIGHT + BELOW))
    sheet.text(title, 0.35, 0.18, size=15, weight="bold")
    sheet.text(note, 0.35, 0.54, size=9, colour=FAINT)
    for label, name in enumerate(class_names):
        key = f"● class {label + 1}: {short(name, 16)}"
        sheet.text(key, 0.35 + 2.2 * label, 0.8, size=10, colour=COLOURS[label], weight="bold")
    return sheet


def _panels(sheet: Sheet) -> list[tuple[Axes, tuple[str, str]]]:
    """Axes by condition (rows) and network (columns)."""
    panels = []
    for row, condition in enumerate(CONDITIONS):
        first, second = TURNED[condition]
        turned = f"both {first}" if first == second else f"{first} and {second.removeprefix('turned by ')}"
        for column, network in enumerate(NETWORKS):
            axes = sheet.panel(
                MARGIN + column * (PANEL + GAP),
                HEAD + 0.4 + row * (HEIGHT + BELOW),
                width=PANEL,
                height=HEIGHT,
            )
            axes.set_title(f"{TITLES[network]}, {condition}: {turned}", fontsize=10, loc="left", y=1.055)
            panels.append((axes, (condition, network)))
    return panels


def _subtitle(axes: Axes, text: str) -> None:
    """A line between the title and the panel."""
    axes.text(0, 1.015, text, transform=axes.transAxes, fontsize=9, color=FAINT)
