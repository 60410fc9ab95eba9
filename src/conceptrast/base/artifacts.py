"""Hashes of a run's files: written when a step has made a file, checked when another one reads it.

A step writes one record, ``hashes/<log of the step>.json``, beside its other files. The record names the rule of the
workflow that the step carried out and the SHA-256 of each file that it has written. Paths are relative to the folder of
the run, in which steps work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conceptrast.base.errors import DataError
from conceptrast.base.files import write_json

RECORDS = Path("hashes")
"""Folder of the records, in the folder of the run."""

LOGS = Path("logs")
"""Folder of the logs there. A job's record is called like its log."""


@dataclass(frozen=True)
class Origin:
    """The rule that wrote a file, and the hash that the file had then."""

    rule: str
    hash: str


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def record_of(log: Path) -> Path:
    """The record of the job that has this log.

    Example:
        >>> record_of(Path("logs/index/pairs.log")).as_posix()
        'hashes/index/pairs.json'
    """
    return (RECORDS / log.relative_to(LOGS)).with_suffix(".json")


def write_record(log: Path, rule: str, outputs: Iterable[Path]) -> None:
    """Write the hashes of what a job has made. Of a folder, and of one beside its manifest, all files count.

    Args:
        log: the job's log, in ``logs/``.
        rule: the job's rule.
        outputs: files and folders.
    """
    files = {str(file): file_hash(file) for output in outputs for file in _files_of(output)}
    write_json({"rule": rule, "files": files}, record_of(log))


def _files_of(output: Path) -> Iterator[Path]:
    if output.is_file():
        yield output
    folder = output.with_suffix("") if output.suffix == ".csv" else output
    if folder.is_dir():
        yield from _finished(folder, "*")


def _finished(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder and of those in it, without the hidden ones: another step may be writing them."""
    return sorted(path for path in folder.rglob(pattern) if not path.name.startswith(".") and path.is_file())


def origins(run: Path = Path()) -> dict[str, list[Origin]]:
    """All recorded origins by file. A file has several if a rule was renamed; then each of the hashes is right.

    Args:
        run: folder of the run.

    Raises:
        DataError: a record cannot be read.
    """
    by_file: dict[str, list[Origin]] = {}
    for record in _finished(run / RECORDS, "*.json"):
        try:
            content = json.loads(record.read_text())
            for file, value in content["files"].items():
                by_file.setdefault(file, []).append(Origin(content["rule"], value))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(f"{record} is damaged: delete it; its files are then not checked") from error
    return by_file


def refuse_changed(files: Sequence[Path]) -> None:
    """Refuse files that are not as a rule has written them. What no rule has written is not looked at.

    Raises:
        DataError: a file has changed; the message names it, its rule, and how it is made again.
    """
    recorded = origins()
    changed = [line for file in files if (line := _change(file, recorded.get(str(file), []), file))]
    if changed:
        raise DataError("\n".join(changed))


def changes_in(run: Path) -> tuple[int, list[str]]:
    """How many files of a run are as they were written, and a line for each that is not. Missing files do not count.

    Args:
        run: folder of the run.

    Raises:
        DataError: a record cannot be read.
    """
    present = {file: known for file, known in sorted(origins(run).items()) if (run / file).is_file()}
    changed = [line for file, known in present.items() if (line := _change(run / file, known, Path(file)))]
    return len(present) - len(changed), changed


def _change(path: Path, known: Sequence[Origin], name: Path) -> str | None:
    """Says that a file has changed since it was written; ``None`` if it has not, or if nobody knows."""
    if not known or not path.is_file() or file_hash(path) in {origin.hash for origin in known}:
        return None
    rule = known[-1].rule
    return (
        f"{path} has changed since rule {rule} wrote it: delete it, and `snakemake -- {name}` makes it again "
        "(with the run's --configfile)"
    )
