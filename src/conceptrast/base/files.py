"""Read and write files. A run that is killed leaves no half-written file.

Every writer writes to a temporary file beside the target, and renames it when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from conceptrast.base.errors import DataError


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a path to write to. It is renamed to ``path`` when the block ends, and deleted if the block raises.

    The temporary name keeps the suffix of ``path``, because some writers choose the format by the suffix.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic(folder / "a.txt") as part:
        ...     _ = part.write_text("whole")
        >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
        ('whole', 1)
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


MISSING: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
"""Options for reading CSV: only an empty cell is missing. By default the name of a class ``NA`` would be, too."""


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as Parquet or CSV; the suffix of ``path`` decides. Floats in CSV keep nine digits."""
    with atomic(path) as part:
        if part.suffix == ".parquet":
            table.to_parquet(part, index=False)
        else:
            table.to_csv(part, index=False, float_format="%.9g")


def read_table(path: Path | str) -> pd.DataFrame:
    """Read what :func:`write_table` wrote."""
    path = Path(path)
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, **MISSING)


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as an uncompressed ``.npz`` without pickles."""
    with atomic(path) as part, part.open("wb") as stream:
        np.savez(stream, **{name: np.asarray(array) for name, array in arrays.items()}, allow_pickle=False)


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read what :func:`write_arrays` wrote; pickled objects are refused."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_array(path: Path | str, name: str) -> np.ndarray:
    """Read one of the arrays that :func:`write_arrays` wrote, without the others."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[name]


def read_optional(path: Path | str, name: str) -> np.ndarray | None:
    """Read one array; ``None`` if the file holds no array of that name."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[name] if name in arrays.files else None


def read_rows(path: Path | str, name: str, rows: Sequence[int]) -> np.ndarray:
    """Read some rows of one of the arrays that :func:`write_arrays` wrote; the rest of the array stays on the disk.

    Args:
        path: file of the arrays.
        name: name of an array ``[N, …]``.
        rows: numbers of rows, in the order in which they are returned.

    Returns:
        ``[n, …]``, a copy.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "some.npz"
        >>> write_arrays(file, {"first": np.zeros(7), "second": np.arange(6).reshape(3, 2)})
        >>> read_rows(file, "second", [2, 0]).tolist()
        [[4, 5], [0, 1]]
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        start = archive.getinfo(f"{name}.npy").header_offset
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, kind = read_header[version](member)
        header = member.tell()
    with Path(path).open("rb") as stream:
        # The member's bytes come after 30 bytes, its name and its extra field; the lengths of both are at byte 26.
        stream.seek(start + 26)
        lengths = struct.unpack("<HH", stream.read(4))
    offset = start + 30 + sum(lengths) + header
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.array(np.memmap(path, dtype=kind, mode="r", offset=offset, shape=shape, order=order)[list(rows)])


def write_json(value: Any, path: Path | str) -> None:
    """Write JSON with sorted keys; NaN and infinity are refused."""
    with atomic(path) as part:
        part.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read what :func:`write_json` wrote.

    Raises:
        DataError: the path is not that of a file.
    """
    return json.loads(regular_file(path).read_text())


_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def special_kind(mode: int) -> str | None:
    """What a path is that is no regular file, by the mode that the system gives it; ``None`` for a regular file.

    Example:
        >>> special_kind(os.stat("/").st_mode), special_kind(os.stat("/dev/null").st_mode)
        ('a folder', 'a device')
    """
    return _KINDS.get(stat.S_IFMT(mode))


def regular_file(path: Path | str) -> Path:
    """The path of a file, before it is opened: to open a pipe or a device would wait for ever.

    If nothing is there, the path is given back, so that whoever opens it says so.

    Raises:
        DataError: there is something else than a regular file.

    Example:
        >>> regular_file("/dev/null")
        Traceback (most recent call last):
        conceptrast.base.errors.DataError: /dev/null is a device, not a file
    """
    try:
        kind = special_kind(os.stat(path).st_mode)
    except (OSError, ValueError):
        return Path(path)
    if kind:
        raise DataError(f"{path} is {kind}, not a file")
    return Path(path)


def file_md5(path: Path | str) -> str:
    """MD5 of a file's bytes, in the form that DVC and most data hosts use. It only tells files apart."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
