"""Latent spaces of pictures with a planted rotation: maps, rotations against positions, strips along the direction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.comparison import CONDITIONS, NETWORKS
from conceptrast.bias.discriminant import nearest_pictures, steps_along
from conceptrast.bias.latent_space import LatentSpace, Source
from conceptrast.bias.spaces import decoded
from conceptrast.bias.table import spearman
from conceptrast.figures.canvas import FAINT, FIRST, INK, SECOND, Sheet
from conceptrast.models.pictures import pixels

Spaces = Mapping[tuple[str, str], LatentSpace]
TITLES = {"autoencoder": "adversarial autoencoder", "resnet": "plain ResNet"}
TURNED = {
    "biased": ("turned by 0° to 90°", "turned by 90° to 180°"),
    "control": ("turned by 0° to 180°", "turned by 0° to 180°"),
}
COLOURS = (FIRST, SECOND)
PANEL, HEIGHT, MARGIN, HEAD, GAP, BELOW = 4.7, 3.3, 0.75, 1.25, 0.75, 1.05
STEPS, NEAREST, CELL, LABELS = 10, 2, 0.98, 1.95
PITCH = CELL + 0.06
_MAP = 97  # stream of the maps


def draw_maps(spaces: Spaces, bias: str, seed: int = 0) -> Figure:
    """t-SNE maps of the validation codes, a panel for each condition and network, with the discriminant direction.

    A map is no projection, so the direction has no place of its own in it: the arrow points where positions rise
    fastest when they are fitted linearly to the map's two coordinates, from the 5th to the 95th percentile of the
    pictures, through their middle. Each map, which has no up or down, is turned so that the arrow points to the right.

    Args:
        spaces: by condition and network.
        bias: its name.
        seed: of the maps.
    """
    note = "t-SNE of validation pictures; the arrow is the discriminant direction as far as a flat map can show it"
    sheet = _grid(f"{bias}: two latent spaces", note, spaces)
    for axes, space in _panels(sheet, spaces):
        places, start, end, explained = turned_right(tsne(space.codes, seed), space.positions["position"].to_numpy())
        for label, colour in enumerate(COLOURS):
            own = (space.positions["label"] == label).to_numpy()
            axes.scatter(places[own, 0], places[own, 1], s=16, color=colour, alpha=0.7, linewidth=0)
        style = {"arrowstyle": "-|>", "color": INK, "linewidth": 2.2, "mutation_scale": 20, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (end, 0), (start, 0), arrowprops=style)
        _said(axes, f"the arrow accounts for {100 * explained:.0f} % of the variance of the positions")
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set(visible=True, color="#CCCCCC")
    return sheet.figure


def tsne(codes: np.ndarray, seed: int) -> np.ndarray:
    """Map ``[n, 2]`` of codes ``[n, C]`` by scikit-learn's t-SNE, started from the principal components."""
    from sklearn.manifold import TSNE

    state = int(np.random.default_rng([seed, _MAP]).integers(2**31))
    perplexity = min(30.0, (len(codes) - 1) / 3)
    # One thread: the sum of forces over several is rounded in another order each time.
    # Half of the usual steps: some hundred points have settled by then.
    map_of = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=state, n_jobs=1)
    return map_of.fit_transform(codes)


def turned_right(places: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """A map turned about its middle so that positions rise to the right, and the arrow that shows it.

    Args:
        places: ``[n, 2]`` on the map.
        positions: ``[n]``.

    Returns:
        Places ``[n, 2]``, start and end of the arrow on the horizontal through 0, and the share of the positions'
        variance that a linear function of the place accounts for.

    Example:
        >>> places, start, end, explained = turned_right(
        ...     np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]]), np.array([1.0, 1.0, 0.0, 0.0]))
        >>> np.abs(places).round(6).tolist()[0], round(start, 6), round(end, 6), round(explained, 6)
        ([2.0, 1.0], -2.0, 2.0, 1.0)
    """
    around, centred = places - places.mean(axis=0), positions - positions.mean()
    slope = np.linalg.lstsq(around, centred, rcond=None)[0]
    length = float(np.linalg.norm(slope))
    unit = slope / length if length > 0 else np.array([1.0, 0.0])
    turned = around @ np.array([[unit[0], -unit[1]], [unit[1], unit[0]]])
    start, end = np.quantile(turned[:, 0], [0.05, 0.95]).tolist()
    total = float((centred**2).sum())
    return turned, start, end, 1 - float(((centred - around @ slope) ** 2).sum()) / total if total > 0 else 0.0


def draw_rotations(spaces: Spaces, bias: str) -> Figure:
    """The rotation of every validation picture against its position, a panel for each condition and network."""
    note = "ρ: Spearman's correlation of rotation with position within a class; 0 if it knows the class alone"
    sheet = _grid(f"{bias}: does the most discriminant direction carry the rotation?", note, spaces)
    for axes, space in _panels(sheet, spaces):
        found = []
        for label, colour in enumerate(COLOURS):
            own = space.positions[space.positions["label"] == label]
            axes.scatter(own["position"], own["rotation"], s=16, color=colour, alpha=0.7, linewidth=0)
            found.append(float(spearman(own["rotation"].to_numpy(), own["position"].to_numpy())))
        names = [short(name, 12) for name in _names(space.positions)]
        known = [f"ρ = {rho:+.2f}" if np.isfinite(rho) else "no position" for rho in found]
        _said(axes, ", ".join(f"{rho} in {name}" for rho, name in zip(known, names, strict=True)))
        axes.set(ylim=(-4, 184), yticks=[0, 45, 90, 135, 180])
        axes.set_ylabel("rotation, degrees", fontsize=9)
        axes.set_xlabel("position along the direction, towards class 2", fontsize=9)
        axes.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    return sheet.figure


def draw_navigation(
    spaces: Mapping[str, LatentSpace], autoencoder: Autoencoder, source: Source, bias: str, condition: str
) -> Figure:
    """Ten steps along the direction: decoded pictures of the autoencoder, nearest real pictures of both networks.

    Decoded twice: straight along the direction from the middle, and the typical code at each position (see
    :class:`~conceptrast.bias.discriminant.Discriminant`). Below the nearest real pictures, the autoencoder's own
    reconstruction of the first row.

    Args:
        spaces: of one condition by network.
        autoencoder: whose decoder it is.
        source: the pictures of the condition.
        bias: its name.
        condition: ``biased`` or ``control``.
    """
    width, y = LABELS + STEPS * PITCH + 0.25, 1.2
    sheet = Sheet(width, y + (3 + 2 * NEAREST) * PITCH + 1.1)
    sheet.text(f"{bias}, {condition}: along the most discriminant direction", 0.3, 0.18, size=15, weight="bold")
    note = "from the 1st to the 99th percentile of the validation pictures; frames have the colour of the class"
    sheet.text(note, 0.3, 0.54, size=9, colour=FAINT)
    _ends(sheet, _names(spaces[NETWORKS[0]].positions), condition, width)
    for network in NETWORKS:
        space = spaces[network]
        steps = steps_along(space.positions["position"].to_numpy(), min(STEPS, len(space.positions)))
        rows = nearest_pictures(space.positions["position"].to_numpy(), steps, NEAREST)
        if network == "autoencoder":
            straight, typical = space.direction.codes(steps), space.direction.typical_codes(steps)
            y = _strip(sheet, "autoencoder:\ndecoded along\nthe direction", decoded(autoencoder, straight), y)
            y = _strip(sheet, "decoded: typical\ncode there", decoded(autoencoder, typical), y)
        y = _nearest(sheet, TITLES[network].split()[-1], space, rows, source, autoencoder.size, y)
        if network == "autoencoder":
            y = _strip(sheet, "first row of these,\nreconstructed", decoded(autoencoder, space.codes[rows[:, 0]]), y)
        for step, position in enumerate(steps):
            x = LABELS + step * PITCH + CELL / 2
            sheet.text(f"{position:+.2g}", x, y, size=8, colour=FAINT, ha="center")
        sheet.text("position", LABELS - 0.15, y, size=8, colour=FAINT, ha="right")
        y += 0.5
    return sheet.figure


def _ends(sheet: Sheet, names: list[str], condition: str, width: float) -> None:
    """What lies on the left and on the right."""
    first, second = (f"{short(name, 16)}, {turned}" for name, turned in zip(names, TURNED[condition], strict=True))
    sheet.text(f"← {first}", LABELS, 0.86, size=10, colour=FIRST, weight="bold")
    sheet.text(f"{second} →", width - 0.3, 0.86, size=10, colour=SECOND, weight="bold", ha="right")


def _strip(sheet: Sheet, label: str, pictures: np.ndarray, y: float) -> float:
    """A row of pictures, one a step; returns where the next row starts."""
    sheet.text(label, LABELS - 0.15, y + CELL / 2, size=9, ha="right", va="center")
    for step, picture in enumerate(pictures):
        sheet.picture(picture, LABELS + step * PITCH, y, CELL, CELL)
    return y + PITCH


def _nearest(
    sheet: Sheet, network: str, space: LatentSpace, rows: np.ndarray, source: Source, size: int, y: float
) -> float:
    """Real pictures at the steps; returns where the next row starts."""
    table = space.positions.iloc[rows.ravel()]
    pictures = source.table.set_index("image", drop=False).loc[table["image"]]
    preprocess, n_rows = plain_preprocess(size), rows.shape[1]
    label = f"{network}:\nnearest real\npictures"
    sheet.text(label, LABELS - 0.15, y + n_rows * PITCH / 2, size=9, ha="right", va="center")
    for number, (row, true) in enumerate(zip(pictures.itertuples(), table["label"], strict=True)):
        step, place = divmod(number, n_rows)
        x, top = LABELS + step * PITCH, y + place * PITCH
        picture = pixels(preprocess.view(source.dataset.picture(row)))
        sheet.picture(picture, x + 0.03, top + 0.03, CELL - 0.06, CELL - 0.06, COLOURS[true], 1.8)
    return y + n_rows * PITCH


def _grid(title: str, note: str, spaces: Spaces) -> Sheet:
    """A sheet with room for a panel per condition and network, and a key of the classes."""
    sheet = Sheet(MARGIN + 2 * PANEL + GAP + 0.3, HEAD + 2 * (HEIGHT + BELOW))
    sheet.text(title, 0.35, 0.18, size=15, weight="bold")
    sheet.text(note, 0.35, 0.54, size=9, colour=FAINT)
    for label, name in enumerate(_names(next(iter(spaces.values())).positions)):
        key = f"● class {label + 1}: {short(name, 16)}"
        sheet.text(key, 0.35 + 2.2 * label, 0.8, size=10, colour=COLOURS[label], weight="bold")
    return sheet


def _panels(sheet: Sheet, spaces: Spaces) -> list[tuple[Axes, LatentSpace]]:
    """Axes by condition (rows) and network (columns)."""
    found = []
    for row, condition in enumerate(CONDITIONS):
        first, second = TURNED[condition]
        turned = f"both {first}" if first == second else f"{first} and {second.removeprefix('turned by ')}"
        for column, network in enumerate(NETWORKS):
            x, y = MARGIN + column * (PANEL + GAP), HEAD + 0.4 + row * (HEIGHT + BELOW)
            bottom = 1 - (y + HEIGHT) / sheet.height
            axes = sheet.figure.add_axes((x / sheet.width, bottom, PANEL / sheet.width, HEIGHT / sheet.height))
            axes.set_title(f"{TITLES[network]}, {condition}: {turned}", fontsize=10, loc="left", y=1.055)
            axes.tick_params(labelsize=8, colors=INK)
            axes.spines[["top", "right"]].set_visible(False)
            found.append((axes, spaces[condition, network]))
    return found


def _said(axes: Axes, text: str) -> None:
    """A line between the title and the panel."""
    axes.text(0, 1.015, text, transform=axes.transAxes, fontsize=9, color=FAINT)


def _names(positions: pd.DataFrame) -> list[str]:
    """Names of class 1 and class 2."""
    return [str(name) for name in positions.drop_duplicates("label").sort_values("label")["label_name"]]
