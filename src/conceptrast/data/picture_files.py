"""Datasets whose pictures are files below a root folder: listing and checking."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5
from conceptrast.base.names import printable
from conceptrast.base.progress import progress
from conceptrast.data.dataset import Dataset, Index
from conceptrast.data.decoding import open_rgb
from conceptrast.data.folder_content import content_of

LOGGER = logging.getLogger("conceptrast")
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
    #: whether the pictures have labels.
    labelled = True

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
        reasons = reasons_against(self.root, files, workers)
        self._look_for_copies(files, reasons)
        kept: list[dict[str, Any]] = []
        rejected: list[dict[str, str]] = []
        for file, reason in zip(files, reasons, strict=True):
            if reason:
                rejected.append({"path": printable(file.path), "reason": reason})
            else:
                row = {"image": len(kept), "path": file.path, "label": file.label, "split": file.split}
                kept.append({**row, "label_name": names[file.label]})
        return Index.of_rows(kept, rejected)

    def _look_for_copies(self, files: list[Listed], reasons: list[str | None]) -> None:
        """Warn of pictures that are there twice. Without labels they are left out; two labels contradict each other."""
        usable = {file.path: file for file, reason in zip(files, reasons, strict=True) if not reason}
        copies = copies_among(self.root, list(usable))
        if not self.labelled:
            for number, file in enumerate(files):
                reasons[number] = reasons[number] or _copy_of(copies.get(file.path))
            return
        for contradicting in (True, False):
            pairs = [
                (path, original)
                for path, original in copies.items()
                if (usable[path].label != usable[original].label) == contradicting
            ]
            if pairs:
                what = "two classes" if contradicting else "its class twice"
                named = "; ".join(f"{path} and {original}" for path, original in pairs[:3])
                LOGGER.warning("%d times the same picture is in %s; first: %s", len(pairs), what, named)

    def picture(self, row: Any) -> Image.Image:
        """Read the picture of one row."""
        try:
            return open_rgb(self.root / row.path)
        except DataError as error:
            raise DataError(f"{self.root / row.path}: {error}") from error


def pictures_below(folder: Path) -> list[tuple[str, str | None]]:
    """Paths of the pictures below a folder, relative to it and sorted; hidden ones are left out.

    Beside each path stands why it cannot be used, or ``None``: a pipe, a link to a folder that is listed already.

    Raises:
        DataError: a folder cannot be read.
    """
    content = content_of(folder)
    pictures: list[tuple[str, str | None]] = [(path, None) for path, _ in content.files if _is_picture(path)]
    refused: list[tuple[str, str | None]] = [
        (path, kind) for path, kind in content.passed_over if _is_picture(path) or (folder / path).is_dir()
    ]
    return sorted(pictures + refused)


def _is_picture(path: str) -> bool:
    return Path(path).suffix.lower() in SUFFIXES


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones, and links to folders that it lies in, are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        entries = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        loops = {entry for entry in entries if folder.resolve().is_relative_to(entry.resolve())}
        return sorted(entry.name for entry in entries if entry not in loops)
    except PermissionError as error:
        raise DataError(f"the folder {error.filename} cannot be read: {error.strerror}") from error


def copies_among(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Pictures whose files are the same as another's, byte for byte, and the first of each such group.

    Only files of the same size are read.

    Args:
        root: folder of the files.
        paths: their paths in it.
    """
    by_size: dict[int, list[str]] = {}
    for path in paths:
        by_size.setdefault((root / path).stat().st_size, []).append(path)
    copies = {}
    for alike in by_size.values():
        first: dict[str, str] = {}
        for path in alike if len(alike) > 1 else ():
            original = first.setdefault(file_md5(root / path), path)
            if original != path:
                copies[path] = original
    return copies


def reasons_against(root: Path, files: list[Listed], workers: int = 0) -> list[str | None]:
    """For each file, why it cannot be used, or ``None``; worker processes decode if ``workers`` is positive."""
    check = partial(_reason_against, root)
    with ProcessPoolExecutor(max(workers, 1)) as pool:
        reasons = pool.map(check, files, chunksize=32) if workers else map(check, files)
        # Files that were named one by one have no folder in common.
        place = "files" if root == Path() else root
        return list(progress(reasons, f"checking {place}", len(files), "pictures"))


def _is_utf_8(path: str) -> bool:
    """Whether a table can hold the path; bytes that are not UTF-8 stand in it as lone surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _copy_of(original: str | None) -> str | None:
    return None if original is None else f"the same picture as {original}"


def _reason_against(root: Path, file: Listed) -> str | None:
    if file.refused:
        return file.refused
    if not _is_utf_8(file.path):
        return "its name is not UTF-8: rename it"
    try:
        open_rgb(root / file.path)
    except DataError as error:
        return str(error)
    return None
