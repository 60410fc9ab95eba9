"""Datasets whose pictures are files below a root folder: listing and checking."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.base.progress import progress
from conceptrast.data.dataset import Dataset, Index
from conceptrast.data.decoding import open_rgb
from conceptrast.data.hashes import files_below

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class Listed(NamedTuple):
    """One picture file before it is opened; ``refused`` says why it cannot be used at all."""

    path: str
    label: int
    split: str = "validation"
    refused: str | None = None


class PictureFiles(Dataset):
    """Base of the kinds whose pictures are files."""

    root: Path

    @abstractmethod
    def listed(self) -> list[Listed]:
        """All picture files, with paths relative to ``root``; none is opened."""

    def build_index(self, workers: int = 0) -> Index:
        """Decode every picture once; those that cannot be read are rejected with the reason."""
        if lacking := self.missing():
            raise DataError(lacking)
        files = self.listed()
        if not files:
            raise DataError(f"{self.root} holds no picture ({', '.join(sorted(SUFFIXES))})")
        names = self.class_names
        kept: list[dict[str, Any]] = []
        rejected: list[dict[str, str]] = []
        for file, reason in zip(files, reasons_against(self.root, files, workers), strict=True):
            if reason:
                rejected.append({"path": file.path, "reason": reason})
            else:
                row = {"image": len(kept), "path": file.path, "label": file.label, "split": file.split}
                kept.append({**row, "label_name": names[file.label]})
        return Index.of_rows(kept, rejected)

    def picture(self, row: Any) -> Image.Image:
        """Read the picture of one row."""
        try:
            return open_rgb(self.root / row.path)
        except DataError as error:
            raise DataError(f"{self.root / row.path}: {error}") from error


def pictures_below(folder: Path) -> list[str]:
    """Paths of the picture files below a folder, relative to it and sorted; hidden ones are left out."""
    return [path for path, _ in files_below(folder) if Path(path).suffix.lower() in SUFFIXES]


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are left out."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def reasons_against(root: Path, files: list[Listed], workers: int = 0) -> list[str | None]:
    """For each file, why it cannot be used, or ``None``; worker processes decode if ``workers`` is positive."""
    check = partial(_reason_against, root)
    with ProcessPoolExecutor(max(workers, 1)) as pool:
        reasons = pool.map(check, files, chunksize=32) if workers else map(check, files)
        return list(progress(reasons, f"checking {root}", len(files), "pictures"))


def _reason_against(root: Path, file: Listed) -> str | None:
    if file.refused:
        return file.refused
    try:
        open_rgb(root / file.path)
    except DataError as error:
        return str(error)
    return None
