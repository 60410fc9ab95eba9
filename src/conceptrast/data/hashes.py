"""Hashes of data: short texts that change when options, files or folders do. They protect nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5
from conceptrast.data.folder_content import content_of
from conceptrast.data.text_files import read_text

SMALL_FOLDER = 256 * 2**20
"""If a folder has fewer bytes than this, its files are read for its hash, which takes a second."""


def digest(*parts: Any) -> str:
    """Short hash of values that JSON can hold.

    Example:
        >>> digest("a", 1) == digest("a", 1) != digest("a", 2)
        True
    """
    return hashlib.md5(json.dumps(parts, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def file_identity(path: Path | None) -> str | None:
    """Hash of a small file's content; ``None`` if there is no such file."""
    return digest(path.read_bytes().hex()) if path is not None and path.is_file() else None


def folder_identity(root: Path) -> str | None:
    """Hash of what a folder holds.

    If DVC tracks the folder, so that ``<root>.dvc`` lies beside it, this is the hash that DVC recorded there. The
    folder itself is not looked at.

    Otherwise the path and the size of every file count. If all files together are smaller than 256 MiB, their contents
    count too. In a larger folder, a file that is replaced by another one of the same size goes unnoticed.
    Hidden files, dates and permissions never count.

    Returns:
        The hash; ``None`` if there is neither the folder nor DVC's file.

    Raises:
        DataError: DVC's file holds no hash, or a folder cannot be read.
    """
    tracked = root.with_name(root.name + ".dvc")
    if tracked.is_file():
        return recorded_by_dvc(tracked)
    if not root.is_dir():
        return None
    files = content_of(root).files
    if sum(size for _, size in files) >= SMALL_FOLDER:
        return digest(files)
    return digest([(path, size, _content(root / path)) for path, size in files])


def recorded_by_dvc(tracked: Path) -> str:
    """Hash of the data that a ``.dvc`` file stands for.

    Raises:
        DataError: the file holds no hash.
    """
    try:
        return str(yaml.safe_load(read_text(tracked))["outs"][0]["md5"])
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise DataError(f"{tracked} is no file of DVC: it holds no outs[0].md5") from error


def _content(path: Path) -> str | None:
    """Hash of a file; ``None`` if it cannot be read or is not a file, e.g. a broken link."""
    try:
        return file_md5(path) if path.is_file() else None
    except OSError:
        return None
