"""Scenes of two handwritten digits on a real texture: drawn from a seed, and painted.

A picture has 3×3 cells of 32 pixels. Two digits of different kinds lie in two cells. The cell at the bottom right stays
empty in every picture. One pair of classes that share a digit carries a planted shortcut: a portrait lies in a third
cell of nearly all pictures of one class and of few of the other. The digit that tells the two apart is often faint, so
that the portrait is worth learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from PIL import Image

from conceptrast.base.streams import Stream, generator
from conceptrast.data.packaged import handwritten_digits, packaged_file

SIZE = 96
CELL = 32
DIGITS = (0, 1, 3, 7, 8)
PAIRS = tuple(combinations(DIGITS, 2))
FREE_CELLS = 8  # of nine, row by row: the last one never holds anything
PORTRAIT_SHARE = {(3, 7): 0.90, (3, 8): 0.05}
TELLING_DIGIT = {(3, 7): 7, (3, 8): 8}
FAINT_SHARE = 0.30
FAINT_STRENGTH = 0.25
TRAIN_SHARE = 0.8  # share of the handwritten digits that are for training
STROKE = 245.0
TINTS = {"grass": (0.80, 1.10, 0.55), "gravel": (1.00, 0.95, 0.88), "brick": (1.20, 0.78, 0.62)}
FACE = (160, 50, 300, 190)  # left, top, right, bottom in scikit-image's astronaut


@dataclass(frozen=True)
class Placed:
    """One object in a picture: number ``source`` of the 5,000 digits, or the portrait if ``source`` is ``None``."""

    concept: str
    source: int | None
    top: int
    left: int
    faint: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything that one picture shows."""

    texture: int
    top: int
    left: int
    light: float
    placed: tuple[Placed, ...]


@lru_cache(maxsize=8)
def digit_pool(seed: int) -> dict[str, dict[int, np.ndarray]]:
    """Numbers, among the 5,000 handwritten digits, of those that belong to each split and digit.

    Example:
        >>> pool = digit_pool(0)
        >>> len(pool["train"][3]), len(pool["validation"][3])
        (400, 100)
        >>> bool(set(pool["train"][3]) & set(pool["validation"][3]))
        False
    """
    rng = generator(Stream.DIGIT_PAIRS_SPLIT, seed)
    _, labels = handwritten_digits()
    pool: dict[str, dict[int, np.ndarray]] = {"train": {}, "validation": {}}
    for digit in DIGITS:
        order = rng.permutation(np.flatnonzero(labels == digit))
        cut = int(TRAIN_SHARE * len(order))
        pool["train"][digit] = order[:cut]
        pool["validation"][digit] = order[cut:]
    return pool


def draw_scene(seed: int, pair: tuple[int, int], pool: dict[int, np.ndarray]) -> Scene:
    """Draw what a picture is made of.

    Args:
        seed: the picture's own seed.
        pair: the two digits of its class.
        pool: for each digit, the handwritten ones to choose from.
    """
    rng = generator(Stream.SCENE, seed)
    # The background: a window of a texture, made darker or lighter.
    texture = int(rng.integers(len(TINTS)))
    top, left = (int(at) for at in rng.integers(0, 512 // 2 - SIZE, 2))
    light = float(rng.uniform(0.8, 1.2))
    # Both digits, each somewhere in its cell.
    tops, lefts = CELL * np.array(np.divmod(rng.permutation(FREE_CELLS)[:3], 3))
    jitter = rng.integers(0, CELL - 28 + 1, (2, 2))
    faint = rng.random() < FAINT_SHARE
    placed = [
        Placed(
            concept=str(digit),
            source=int(rng.choice(pool[digit])),
            top=int(tops[i] + jitter[i, 0]),
            left=int(lefts[i] + jitter[i, 1]),
            faint=bool(faint and TELLING_DIGIT.get(pair) == digit),
        )
        for i, digit in enumerate(pair)
    ]
    # The portrait, in the third cell.
    if rng.random() < PORTRAIT_SHARE.get(pair, 0.0):
        placed.append(Placed("portrait", None, int(tops[2]), int(lefts[2])))
    return Scene(texture=texture, top=top, left=left, light=light, placed=tuple(placed))


def render(scene: Scene) -> np.ndarray:
    """Paint a scene: ``[96, 96, 3]`` uint8."""
    crop = textures()[scene.texture][scene.top : scene.top + SIZE, scene.left : scene.left + SIZE]
    canvas = crop * np.float32(scene.light)
    for placed in scene.placed:
        if placed.source is None:
            canvas[placed.top : placed.top + CELL, placed.left : placed.left + CELL] = portrait()
        else:
            digit = handwritten_digits()[0][placed.source]
            cover = digit[..., None] * np.float32((FAINT_STRENGTH if placed.faint else 1.0) / 255)
            window = canvas[placed.top : placed.top + 28, placed.left : placed.left + 28]
            window += cover * (STROKE - window)
    return canvas.clip(0, 255).astype(np.uint8)


def box_of(placed: Placed) -> tuple[int, int, int, int]:
    """Top, left, height and width of what is drawn, in pixels of the picture."""
    if placed.source is None:
        return placed.top, placed.left, CELL, CELL
    top, left, height, width = stroke_boxes()[placed.source].tolist()
    return placed.top + top, placed.left + left, height, width


@lru_cache(maxsize=1)
def stroke_boxes() -> np.ndarray:
    """Top, left, height and width of the strokes in each of the 5,000 digits: ``[5000, 4]``."""
    ink: np.ndarray = handwritten_digits()[0] > 0
    sides = []
    for used in (ink.max(2), ink.max(1)):
        first = used.argmax(1)
        sides.append((first, 28 - used[:, ::-1].argmax(1) - first))
    (top, height), (left, width) = sides
    return np.stack([top, left, height, width], axis=1)


@lru_cache(maxsize=1)
def textures() -> list[np.ndarray]:
    """Grass, gravel and brick at half size: ``[256, 256, 3]`` float32 each, dark enough for light strokes to show."""
    made = []
    for name, tint in TINTS.items():
        with Image.open(packaged_file(f"skimage/data/{name}.png")) as image:
            grey = np.asarray(image.convert("L").resize((256, 256), Image.Resampling.BOX), dtype=np.float32)
        grey = 85 + 28 * (grey - grey.mean()) / grey.std()
        made.append((grey[..., None] * np.array(tint, dtype=np.float32)).clip(0, 190))
    return made


@lru_cache(maxsize=1)
def portrait() -> np.ndarray:
    """The face of scikit-image's astronaut: ``[32, 32, 3]`` uint8."""
    with Image.open(packaged_file("skimage/data/astronaut.png")) as image:
        return np.asarray(image.convert("RGB").crop(FACE).resize((CELL, CELL), Image.Resampling.LANCZOS))
