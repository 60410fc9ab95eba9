"""What every kind of dataset offers: an index, which is made once, and any picture of the index later."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError, unknown_name
from conceptrast.base.registry import resolve
from conceptrast.data import DATASET_KINDS
from conceptrast.data.options import wrong

TABLE_TYPES = {"image": "int64", "path": "str", "label": "int64", "label_name": "str", "split": "str"}
TRUTH_TYPES = {
    "image": "int64",
    "concept": "str",
    "top": "int64",
    "left": "int64",
    "height": "int64",
    "width": "int64",
    "faint": "bool",
}


def empty_table(types: Mapping[str, str]) -> pd.DataFrame:
    """A table without rows whose columns have the given types.

    Example:
        >>> list(empty_table(TABLE_TYPES).columns)
        ['image', 'path', 'label', 'label_name', 'split']
    """
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def no_rejections() -> pd.DataFrame:
    """The table of rejected pictures if none was rejected."""
    return empty_table({"path": "str", "reason": "str"})


@dataclass(frozen=True)
class Index:
    """All pictures of a dataset.

    Attributes:
        table: image, path (relative to the root, or ``seed:…`` where pictures are generated), label, label_name, split
            (``train`` or ``validation``); one row per usable picture.
        rejected: path, reason; one row per picture that cannot be used.
        truth: image, concept, top, left, height, width, faint: which object is where, in pixels of the picture; it has
            no rows if the kind does not know.
    """

    table: pd.DataFrame
    rejected: pd.DataFrame = field(default_factory=no_rejections)
    truth: pd.DataFrame = field(default_factory=lambda: empty_table(TRUTH_TYPES))

    @classmethod
    def of_rows(cls, kept: Sequence[Mapping[str, Any]], rejected: Sequence[Mapping[str, str]]) -> Index:
        """The index of usable and of rejected pictures, one row each."""
        table = pd.concat([empty_table(TABLE_TYPES), pd.DataFrame(kept)]) if kept else empty_table(TABLE_TYPES)
        return cls(
            table=table.astype(TABLE_TYPES).reset_index(drop=True),
            rejected=pd.DataFrame(rejected) if rejected else no_rejections(),
        )

    def check(self, max_rejected: float) -> None:
        """Refuse an index if too many of its pictures were rejected.

        Args:
            max_rejected: highest share of rejected pictures, 0 to 1.

        Raises:
            DataError: a larger share was rejected, or no picture is left.
        """
        bad = len(self.rejected)
        total = len(self.table) + bad
        first = "; ".join(f"{row.path}: {row.reason}" for row in self.rejected.head(3).itertuples())
        if bad > max_rejected * total:
            allowed = f"more than max_rejected = {max_rejected:g} allows"
            raise DataError(f"{bad} of {total} pictures cannot be used, {allowed}; first: {first}")
        if self.table.empty:
            raise DataError("the dataset holds no picture")


class Dataset(ABC):
    """A kind of dataset. It is made from the options of its entry in the config, and from the run's seed."""

    seed: int

    @property
    @abstractmethod
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the labels. A class may have no picture."""

    @abstractmethod
    def build_index(self, workers: int = 0) -> Index:
        """Look at every picture once.

        Args:
            workers: number of processes that decode; ``0`` decodes in this process. The index does not depend on it.

        Raises:
            DataError: the pictures are not there.
        """

    @abstractmethod
    def picture(self, row: Any) -> Image.Image:
        """The RGB picture of one row of the index: a named tuple of ``itertuples`` or a ``Series``.

        Raises:
            DataError: the picture cannot be read.
        """

    @abstractmethod
    def missing(self) -> str | None:
        """One line that says which files a run needs and does not find; ``None`` if all are there. Opens no picture."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A short text that changes when the pictures or labels do. Cheap: opens no picture."""


def open_dataset(settings: Mapping[str, Any], seed: int = 0) -> Dataset:
    """The dataset that an entry of the config describes.

    Args:
        settings: ``kind`` and the options of that kind.
        seed: seed of everything that the dataset draws.

    Raises:
        ConfigError: the kind or an option does not exist, a needed option is missing, or one has a value that the
            kind cannot use.

    Example:
        >>> open_dataset({"kind": "digit_pairs", "train": 20, "validation": 10}).class_names[:3]
        ['0+1', '0+3', '0+7']
        >>> open_dataset({"kind": "digit_pairs", "trian": 20})
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: unknown option of dataset kind digit_pairs 'trian'; nearest: train
    """
    # The kind.
    options = dict(settings)
    if "kind" not in options:
        raise ConfigError(f"a dataset needs a kind, one of: {', '.join(sorted(DATASET_KINDS))}")
    kind = options.pop("kind")
    if not isinstance(kind, str):
        raise wrong("kind", f"one of {', '.join(sorted(DATASET_KINDS))}", kind)
    maker = resolve("dataset kind", kind, DATASET_KINDS)
    # Its options.
    parameters = {name: p for name, p in inspect.signature(maker).parameters.items() if name != "seed"}
    for name in options:
        if name not in parameters:
            raise ConfigError(unknown_name(f"option of dataset kind {kind}", name, parameters))
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in options:
            raise ConfigError(f"dataset kind {kind} needs the option {name!r}")
    dataset: Dataset = maker(**options, seed=seed)
    return dataset
