"""Datasets whose pictures are files below a root folder: listing, checking, identity."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5
from conceptrast.base.progress import progress
from conceptrast.data.dataset import TABLE_TYPES, Dataset, Index, digest, empty_table, no_rejections
from conceptrast.data.decoding import open_rgb
from conceptrast.data.text_files import read_text

SMALL = 256 * 2**20  # bytes: what is read in a second
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
        """All picture files, by path relative to ``root``; none is opened."""

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
        table = pd.concat([empty_table(TABLE_TYPES), pd.DataFrame(kept)]) if kept else empty_table(TABLE_TYPES)
        return Index(
            table=table.astype(TABLE_TYPES).reset_index(drop=True),
            rejected=pd.DataFrame(rejected) if rejected else no_rejections(),
        )

    def picture(self, row: Any) -> Image.Image:
        """Read the picture of one row."""
        try:
            return open_rgb(self.root / row.path)
        except DataError as error:
            raise DataError(f"{self.root / row.path}: {error}") from error


def pictures_below(folder: Path) -> list[str]:
    """Paths of the picture files below a folder, relative to it and sorted; hidden ones are left out."""
    return [path for path, _ in _walk(folder) if Path(path).suffix.lower() in SUFFIXES]


def reasons_against(root: Path, files: list[Listed], workers: int = 0) -> list[str | None]:
    """For each file, why it cannot be used, or ``None``; decodes in worker processes where ``workers`` is positive."""
    check = partial(_reason_against, root)
    with ProcessPoolExecutor(max(workers, 1)) as pool:
        found = pool.map(check, files, chunksize=32) if workers else map(check, files)
        return list(progress(found, f"checking {root}", len(files), "pictures"))


def _reason_against(root: Path, file: Listed) -> str | None:
    if file.refused:
        return file.refused
    try:
        open_rgb(root / file.path)
    except DataError as error:
        return str(error)
    return None


def folder_identity(root: Path) -> str | None:
    """Identity of what a folder holds.

    With ``<root>.dvc`` beside the folder it is the hash that DVC recorded there; the folder itself is not looked at.
    Otherwise it is a hash of the path and size of every file, and of every file's content where all files together are
    smaller than 256 MiB. In a larger folder, a file that is replaced by another one of the same size is not seen.
    Hidden files, dates and permissions never count.

    Returns:
        ``None`` where there is neither the folder nor DVC's file.

    Raises:
        DataError: DVC's file holds no hash.
    """
    tracked = root.with_name(root.name + ".dvc")
    if tracked.is_file():
        return recorded_by_dvc(tracked)
    if not root.is_dir():
        return None
    files = _walk(root)
    if sum(size for _, size in files) >= SMALL:
        return digest(files)
    return digest([(path, size, _content(root / path)) for path, size in files])


def recorded_by_dvc(tracked: Path) -> str:
    """Hash of what a ``.dvc`` file stands for."""
    try:
        return str(yaml.safe_load(read_text(tracked))["outs"][0]["md5"])
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise DataError(f"{tracked} is no file of DVC: it holds no outs[0].md5") from error


def _content(path: Path) -> str | None:
    """Hash of a file; ``None`` for what cannot be read, or is no file, such as a link to nowhere."""
    try:
        return file_md5(path) if path.is_file() else None
    except OSError:
        return None


def file_identity(path: Path | None) -> str | None:
    """Hash of a small file's content; ``None`` where there is no such file."""
    return digest(path.read_bytes().hex()) if path is not None and path.is_file() else None


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are left out."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _walk(folder: Path) -> list[tuple[str, int]]:
    return sorted(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                path = Path(where, name)
                yield path.relative_to(folder).as_posix(), path.stat().st_size if path.exists() else -1
