"""Latent spaces of pictures with a planted rotation: maps, and rotations against positions along the direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.bias.comparison import CONDITIONS, NETWORKS
from conceptrast.bias.latent_map import LatentMap
from conceptrast.bias.latent_space import LatentSpace
from conceptrast.figures.canvas import FAINT, FIRST, INK, SECOND, Sheet

TITLES = {"autoencoder": "adversarial autoencoder", "resnet": "plain ResNet"}
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
BELOW = 1.05


def draw_maps(maps: Mapping[tuple[str, str], LatentMap], bias: str) -> Figure:
    """Maps of the validation codes, a panel for each condition and network, with the discriminant direction.

    Args:
        maps: the maps by condition and network.
        bias: its name.
    """
    note = "t-SNE of validation pictures; the arrow is the discriminant direction as far as a flat map can show it"
    sheet = _grid(f"{bias}: two latent spaces", note, next(iter(maps.values())).class_names)
    for axes, key in _panels(sheet):
        panel = maps[key]
        for label, colour in enumerate(COLOURS):
            places = panel.places[panel.labels == label]
            axes.scatter(places[:, 0], places[:, 1], s=16, color=colour, alpha=0.7, linewidth=0)
        start, end = panel.arrow
        style = {"arrowstyle": "-|>", "color": INK, "linewidth": 2.2, "mutation_scale": 20, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (end, 0), (start, 0), arrowprops=style)
        _subtitle(axes, f"the arrow accounts for {100 * panel.explained:.0f} % of the variance of the positions")
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set(visible=True, color="#CCCCCC")
    return sheet.figure


def draw_rotations(spaces: Mapping[tuple[str, str], LatentSpace], bias: str) -> Figure:
    """The rotation of every validation picture against its position, a panel for each condition and network."""
    note = "ρ: Spearman's correlation of rotation with position within a class; 0 if it knows the class alone"
    names = next(iter(spaces.values())).class_names
    sheet = _grid(f"{bias}: does the most discriminant direction carry the rotation?", note, names)
    for axes, key in _panels(sheet):
        space = spaces[key]
        # The pictures of both classes.
        for label, colour in enumerate(COLOURS):
            pictures = space.positions[space.positions["label"] == label]
            axes.scatter(pictures["position"], pictures["rotation"], s=16, color=colour, alpha=0.7, linewidth=0)
        # Correlations and scales.
        correlations = [f"ρ = {rho:+.2f}" if np.isfinite(rho) else "no position" for rho in space.rotation_correlations]
        parts = [f"{rho} in {short(name, 12)}" for rho, name in zip(correlations, space.class_names, strict=True)]
        _subtitle(axes, ", ".join(parts))
        axes.set(ylim=(-4, 184), yticks=[0, 45, 90, 135, 180])
        axes.set_ylabel("rotation, degrees", fontsize=9)
        axes.set_xlabel("position along the direction, towards class 2", fontsize=9)
        axes.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    return sheet.figure


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
            x = MARGIN + column * (PANEL + GAP)
            y = HEAD + 0.4 + row * (HEIGHT + BELOW)
            bottom = 1 - (y + HEIGHT) / sheet.height
            axes = sheet.figure.add_axes((x / sheet.width, bottom, PANEL / sheet.width, HEIGHT / sheet.height))
            axes.set_title(f"{TITLES[network]}, {condition}: {turned}", fontsize=10, loc="left", y=1.055)
            axes.tick_params(labelsize=8, colors=INK)
            axes.spines[["top", "right"]].set_visible(False)
            panels.append((axes, (condition, network)))
    return panels


def _subtitle(axes: Axes, text: str) -> None:
    """A line between the title and the panel."""
    axes.text(0, 1.015, text, transform=axes.transAxes, fontsize=9, color=FAINT)
