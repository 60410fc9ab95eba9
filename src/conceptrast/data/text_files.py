"""Read text files that users write, in UTF-8 with or without a byte order mark. Errors name the file and the line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from conceptrast.base.errors import DataError
from conceptrast.base.files import regular_file


def read_text(path: Path) -> str:
    """The whole content of a text file.

    Raises:
        DataError: the file is not UTF-8, or not a file.
    """
    try:
        return regular_file(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise DataError(f"{path}, line {line}: not UTF-8 (byte {byte:#04x}); save it as UTF-8") from error


def read_pairs(path: Path, key: str, value: str) -> dict[str, str]:
    r"""Two columns of a CSV file as a mapping; blank lines and other columns are left out.

    Args:
        path: CSV whose header has at least the two columns.
        key: name of the column with the keys.
        value: name of the column with the values.

    Raises:
        DataError: the file is not UTF-8 or not CSV, its header lacks a column, or a row lacks a key or value.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "classes.csv"
        >>> _ = file.write_text("folder,class\nowl,24\n")
        >>> read_pairs(file, "folder", "class")
        {'owl': '24'}
    """
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    pairs = {}
    try:
        if not {key, value} <= set(rows.fieldnames or ()):
            raise DataError(f"{path} needs the header {key},{value}; it starts with {rows.fieldnames}")
        for row in rows:
            for column in (key, value):
                if not (row[column] or "").strip():
                    raise DataError(f"{path}, line {rows.line_num}: nothing in the column {column}")
            pairs[row[key]] = row[value].strip()
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.reader.line_num}: {error}") from error
    return pairs
