"""Real photographs that are installed with scikit-image and scikit-learn."""

from __future__ import annotations

from typing import Any

import pandas as pd
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError, unknown_name
from conceptrast.data.dataset import TABLE_TYPES, Dataset, Index
from conceptrast.data.decoding import open_rgb
from conceptrast.data.hashes import digest
from conceptrast.data.options import as_names, wrong
from conceptrast.data.packaged import packaged_file, versions

FILES = {
    "astronaut": "skimage/data/astronaut.png",
    "brick": "skimage/data/brick.png",
    "camera": "skimage/data/camera.png",
    "cat": "skimage/data/chelsea.png",
    "coffee": "skimage/data/coffee.png",
    "coins": "skimage/data/coins.png",
    "flower": "sklearn/datasets/images/flower.jpg",
    "galaxies": "skimage/data/hubble_deep_field.jpg",
    "grass": "skimage/data/grass.png",
    "gravel": "skimage/data/gravel.png",
    "moon": "skimage/data/moon.png",
    "palace": "sklearn/datasets/images/china.jpg",
    "retina": "skimage/data/retina.jpg",
    "rocket": "skimage/data/rocket.jpg",
}


class Photographs(Dataset):
    """One photograph for each label; all are in the split ``validation``.

    Args:
        names: names of the photographs; all by default.
        seed: has no effect; every kind takes a seed.

    Raises:
        ConfigError: ``names`` is not a list of names, or a name does not exist or occurs twice.

    Example:
        >>> dataset = Photographs(names=["cat", "rocket"])
        >>> index = dataset.build_index()
        >>> [dataset.picture(row).size for row in index.table.itertuples()]
        [(451, 300), (640, 427)]
    """

    def __init__(self, names: list[str] | None = None, seed: int = 0) -> None:
        needs = "a list of different photographs, at least one"
        self.names = list(FILES) if names is None else as_names("photographs: names", names, needs)
        for name in self.names:
            if name not in FILES:
                raise ConfigError(unknown_name("photograph", name, FILES))
        if len(set(self.names)) < len(self.names):
            raise wrong("photographs: names", needs, names)
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """What the photographs show."""
        return self.names

    def build_index(self, workers: int = 0) -> Index:  # noqa: ARG002 - a handful of files
        """List the photographs."""
        rows = [(i, FILES[name], i, name, "validation") for i, name in enumerate(self.names)]
        return Index(pd.DataFrame(rows, columns=list(TABLE_TYPES)).astype(TABLE_TYPES))

    def picture(self, row: Any) -> Image.Image:
        """Read one photograph."""
        return open_rgb(packaged_file(row.path))

    def missing(self) -> str | None:
        """Says which photograph the installed packages lack."""
        try:
            for name in self.names:
                packaged_file(FILES[name])
        except DataError as error:
            return str(error)
        return None

    def fingerprint(self) -> str:
        """Hash of the names and of the versions of the packages."""
        return digest("photographs", self.names, versions("skimage", "sklearn"))
