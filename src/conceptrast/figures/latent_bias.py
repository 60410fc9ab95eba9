"""Latent spaces of pictures with a planted rotation: maps, rotations against positions, strips along the direction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, FIRST, INK, SECOND, Sheet, short
from conceptrast.figures.evidence import pixels
from conceptrast.latent.autoencoder import Autoencoder, plain_preprocess
from conceptrast.latent.bias import CONDITIONS, NETWORKS, LatentSpace, Source
from conceptrast.latent.bias_table import spearman
from conceptrast.latent.discriminant import nearest_pictures, steps_along
from conceptrast.latent.spaces import decoded_along

Spaces = Mapping[tuple[str, str], LatentSpace]
TITLES = {"autoencoder": "adversarial autoencoder", "resnet": "plain ResNet"}
SAID = {
    "biased": "biased: class 1 turned by 0° to 90°, class 2 by 90° to 180°",
    "control": "control: both turned by 0° to 180°",
}
COLOURS = (FIRST, SECOND)
PANEL, GAP, MARGIN, HEAD = 4.6, 0.75, 0.7, 1.35
STEPS, NEAREST, CELL = 10, 2, 0.98
LABELS = 1.75
_MAP = 97  # stream of the maps


def draw_maps(spaces: Spaces, bias: str, seed: int = 0) -> Figure:
    """t-SNE maps of the validation codes, a panel for each condition and network, with the discriminant direction.

    A map is no projection, so the direction has no place of its own in it: the arrow points where positions rise
    fastest when they are fitted linearly to the map's two coordinates. It runs through the middle of the map, from the
    5th to the 95th percentile of what it meets; the share of the positions' variance that it explains stands beside it.

    Args:
        spaces: by condition and network.
        bias: its name.
        seed: of the maps.
    """
    sheet = _grid(
        f"{bias}: validation pictures in both latent spaces, t-SNE",
        "the arrow points to class 2 as well as a flat map can",
        spaces,
    )
    for axes, space in _panels(sheet, spaces):
        table = space.positions
        places = tsne(space.codes, seed)
        for label, colour in enumerate(COLOURS):
            own = (table["label"] == label).to_numpy()
            axes.scatter(places[own, 0], places[own, 1], s=14, color=colour, alpha=0.75, linewidth=0)
        start, end, explained = arrow(places, table["position"].to_numpy())
        axes.annotate(
            "", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 2.2, "mutation_scale": 20}
        )
        axes.set_title(
            axes.get_title(loc="left") + f"\nthe arrow explains {100 * explained:.0f} % of the positions",
            fontsize=10,
            loc="left",
        )
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    return sheet.figure


def tsne(codes: np.ndarray, seed: int) -> np.ndarray:
    """Map ``[n, 2]`` of codes ``[n, C]`` by scikit-learn's t-SNE, started from the principal components."""
    from sklearn.manifold import TSNE

    state = int(np.random.default_rng([seed, _MAP]).integers(2**31))
    perplexity = min(30.0, (len(codes) - 1) / 3)
    # One thread: the sum of forces over several is rounded in another order each time.
    return TSNE(perplexity=perplexity, init="pca", random_state=state, n_jobs=1).fit_transform(codes)


def arrow(places: np.ndarray, positions: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Start, end and explained share of variance of the direction in which positions rise fastest on a map.

    Args:
        places: ``[n, 2]`` on the map.
        positions: ``[n]``.

    Example:
        >>> grid = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
        >>> start, end, explained = arrow(grid, np.array([0.0, 0.0, 1.0, 1.0]))
        >>> np.abs(np.subtract(end, start)).round(3).tolist(), round(explained, 3)
        ([4.0, 0.0], 1.0)
    """
    middle = places.mean(axis=0)
    around, centred = places - middle, positions - positions.mean()
    slope = np.linalg.lstsq(around, centred, rcond=None)[0]
    unit = slope / max(float(np.linalg.norm(slope)), 1e-12)
    low, high = np.quantile(around @ unit, [0.05, 0.95])
    total = float((centred**2).sum())
    explained = 1 - float(((centred - around @ slope) ** 2).sum()) / total if total > 0 else 0.0
    start, end = ((float(x), float(y)) for x, y in (middle + low * unit, middle + high * unit))
    return start, end, explained


def draw_rotations(spaces: Spaces, bias: str) -> Figure:
    """The rotation of every validation picture against its position, a panel for each condition and network."""
    sheet = _grid(
        f"{bias}: does the most discriminant direction carry the rotation?",
        "ρ: Spearman's correlation of rotation with position within each class; 0 if it knows the class alone",
        spaces,
    )
    for axes, space in _panels(sheet, spaces):
        found = []
        for label, colour in enumerate(COLOURS):
            own = space.positions[space.positions["label"] == label]
            axes.scatter(own["position"], own["rotation"], s=14, color=colour, alpha=0.75, linewidth=0)
            found.append(float(spearman(own["rotation"].to_numpy(), own["position"].to_numpy())))
        said = ", ".join(
            f"ρ = {rho:+.2f} in {short(name, 12)}" for rho, name in zip(found, _names(space.positions), strict=True)
        )
        axes.set_title(f"{axes.get_title(loc='left')}\n{said}", fontsize=10, loc="left")
        axes.set(ylim=(-4, 184), yticks=[0, 45, 90, 135, 180])
        axes.set_ylabel("rotation, degrees", fontsize=9)
        axes.set_xlabel("position along the direction, towards class 2", fontsize=9)
        axes.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    return sheet.figure


def draw_navigation(
    spaces: Mapping[str, LatentSpace], autoencoder: Autoencoder, source: Source, bias: str, condition: str
) -> Figure:
    """Pictures at ten steps along the direction: decoded by the autoencoder, and the nearest real ones of both.

    Args:
        spaces: of one condition by network.
        autoencoder: whose decoder it is.
        source: the pictures of the condition.
        bias: its name.
        condition: ``biased`` or ``control``.
    """
    width = LABELS + STEPS * (CELL + 0.06) + 0.3
    block = NEAREST * (CELL + 0.06) + 0.62
    sheet = Sheet(width, 1.0 + CELL + 0.3 + 2 * block)
    sheet.text(f"{bias}: along the most discriminant direction", 0.3, 0.18, size=15, weight="bold")
    sheet.text(SAID[condition], 0.3, 0.54, size=9, colour=FAINT)
    first, second = _names(spaces[NETWORKS[0]].positions)
    sheet.text(f"← {short(first, 16)}", LABELS, 0.72, size=10, colour=FIRST, weight="bold")
    sheet.text(f"{short(second, 16)} →", width - 0.3, 0.72, size=10, colour=SECOND, weight="bold", ha="right")
    y = 1.0
    for network in NETWORKS:
        space = spaces[network]
        steps = steps_along(space.positions["position"].to_numpy(), STEPS)
        if network == "autoencoder":
            decoded = decoded_along(autoencoder, space.direction.codes(steps))
            sheet.text("decoded", LABELS - 0.15, y + CELL / 2, size=9, ha="right", va="center")
            for step, picture in enumerate(decoded):
                sheet.picture(picture, LABELS + step * (CELL + 0.06), y, CELL, CELL)
            y += CELL + 0.14
        _nearest(sheet, space, steps, source, autoencoder.size, y)
        sheet.text(
            f"{TITLES[network].split()[-1]}:\nnearest real\npictures",
            LABELS - 0.15,
            y + CELL,
            size=9,
            ha="right",
            va="center",
        )
        y += block
    return sheet.figure


def _nearest(sheet: Sheet, space: LatentSpace, steps: np.ndarray, source: Source, size: int, y: float) -> None:
    """Real pictures whose positions are nearest to the steps, framed in the colour of their class."""
    rows = nearest_pictures(space.positions["position"].to_numpy(), steps, NEAREST)
    table = space.positions.iloc[rows.ravel()]
    pictures = source.table.set_index("image", drop=False).loc[table["image"]]
    preprocess = plain_preprocess(size)
    for number, (row, placed) in enumerate(zip(pictures.itertuples(), table.itertuples(), strict=True)):
        step, place = divmod(number, rows.shape[1])
        x, top = LABELS + step * (CELL + 0.06), y + place * (CELL + 0.06)
        picture = pixels(preprocess.view(source.dataset.picture(row)))
        sheet.picture(picture, x + 0.03, top + 0.03, CELL - 0.06, CELL - 0.06, COLOURS[int(str(placed.label))], 1.8)
    for step, position in enumerate(steps):
        x = LABELS + step * (CELL + 0.06) + CELL / 2
        sheet.text(f"{position:+.2g}", x, y + rows.shape[1] * (CELL + 0.06) + 0.02, size=8, colour=FAINT, ha="center")


def _grid(title: str, note: str, spaces: Spaces) -> Sheet:
    """A sheet with room for a panel per condition and network, and a key of the classes."""
    sheet = Sheet(MARGIN + 2 * (PANEL + GAP), HEAD + 2 * (PANEL + 0.9) + 0.1)
    sheet.text(title, 0.35, 0.18, size=15, weight="bold")
    sheet.text(note, 0.35, 0.54, size=9, colour=FAINT)
    for label, name in enumerate(_names(next(iter(spaces.values())).positions)):
        sheet.text(
            f"● class {label + 1}: {short(name, 16)}",
            0.35 + 2.2 * label,
            0.78,
            size=10,
            colour=COLOURS[label],
            weight="bold",
        )
    return sheet


def _panels(sheet: Sheet, spaces: Spaces) -> list[tuple[Axes, LatentSpace]]:
    """Axes by condition (rows) and network (columns), each titled."""
    found = []
    for row, condition in enumerate(CONDITIONS):
        for column, network in enumerate(NETWORKS):
            x, y = MARGIN + column * (PANEL + GAP), HEAD + 0.3 + row * (PANEL + 0.9)
            height = PANEL - 0.35
            axes = sheet.figure.add_axes(
                (x / sheet.width, 1 - (y + height) / sheet.height, PANEL / sheet.width, height / sheet.height)
            )
            axes.set_title(f"{TITLES[network]}, {condition}", fontsize=10, loc="left")
            axes.tick_params(labelsize=8, colors=INK)
            axes.spines[["top", "right"]].set_visible(False)
            found.append((axes, spaces[condition, network]))
    return found


def _names(positions: pd.DataFrame) -> list[str]:
    """Names of class 1 and class 2."""
    return [str(name) for name in positions.drop_duplicates("label").sort_values("label")["label_name"]]
