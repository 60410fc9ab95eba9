"""Two photographs side by side in one picture: what a picture consists of is known."""

from __future__ import annotations

from typing import Any

import pandas as pd
from PIL import Image, ImageOps

from conceptrast.base.errors import ConfigError, DataError, unknown_name
from conceptrast.data.dataset import TABLE_TYPES, TRUTH_TYPES, Dataset, Index
from conceptrast.data.decoding import open_rgb
from conceptrast.data.hashes import digest
from conceptrast.data.options import as_names, wrong
from conceptrast.data.packaged import packaged_file, versions
from conceptrast.data.photographs import FILES

SIDE = 448
"""Side of a picture in pixels; each photograph has one half of its width."""
NEEDS = "a list of pairs [left, right] of different photographs, at least one"


class PhotographPairs(Dataset):
    """Pictures with one photograph on the left and another one on the right; all are in the split ``validation``.

    Of each photograph the middle is shown, twice as high as wide.

    Args:
        pairs: names of photographs, two for each picture.
        seed: has no effect; every kind takes a seed.

    Raises:
        ConfigError: ``pairs`` is no list of pairs of different names, or a photograph does not exist.

    Example:
        >>> dataset = PhotographPairs(pairs=[["cat", "coffee"]])
        >>> index = dataset.build_index()
        >>> dataset.class_names, dataset.picture(index.table.iloc[0]).size
        (['cat and coffee'], (448, 448))
        >>> index.truth[["concept", "left", "width"]].values.tolist()
        [['cat', 0, 224], ['coffee', 224, 224]]
    """

    def __init__(self, pairs: list[list[str]], seed: int = 0) -> None:
        if not isinstance(pairs, list | tuple) or not pairs:
            raise wrong("photograph_pairs: pairs", NEEDS, pairs)
        self.pairs = [as_names("photograph_pairs: pairs", pair, NEEDS) for pair in pairs]
        for pair in self.pairs:
            if len(pair) != 2 or pair[0] == pair[1] or self.pairs.count(pair) > 1:
                raise wrong("photograph_pairs: pairs", NEEDS, pairs)
            for name in pair:
                if name not in FILES:
                    raise ConfigError(unknown_name("photograph", name, FILES))
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """What the pictures show."""
        return [f"{left} and {right}" for left, right in self.pairs]

    def build_index(self, workers: int = 0) -> Index:  # noqa: ARG002 - a handful of files
        """List the pictures, and where each photograph lies."""
        rows = [
            (i, f"{FILES[a]} | {FILES[b]}", i, name, "validation") for i, ((a, b), name) in enumerate(self._named())
        ]
        half = SIDE // 2
        truth = [
            (image, name, 0, place * half, SIDE, half, False)
            for image, pair in enumerate(self.pairs)
            for place, name in enumerate(pair)
        ]
        return Index(
            pd.DataFrame(rows, columns=list(TABLE_TYPES)).astype(TABLE_TYPES),
            truth=pd.DataFrame(truth, columns=list(TRUTH_TYPES)).astype(TRUTH_TYPES),
        )

    def picture(self, row: Any) -> Image.Image:
        """Put two photographs side by side."""
        picture = Image.new("RGB", (SIDE, SIDE))
        for place, path in enumerate(row.path.split(" | ")):
            half = ImageOps.fit(open_rgb(packaged_file(path)), (SIDE // 2, SIDE), Image.Resampling.BICUBIC)
            picture.paste(half, (place * SIDE // 2, 0))
        return picture

    def missing(self) -> str | None:
        """Says which photograph the installed packages lack."""
        try:
            for name in {name for pair in self.pairs for name in pair}:
                packaged_file(FILES[name])
        except DataError as error:
            return str(error)
        return None

    def fingerprint(self) -> str:
        """Hash of the names and of the versions of the packages."""
        return digest("photograph_pairs", self.pairs, versions("skimage", "sklearn"))

    def _named(self) -> list[tuple[list[str], str]]:
        return list(zip(self.pairs, self.class_names, strict=True))
