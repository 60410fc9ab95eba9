"""What a folder holds: regular files, each once, and what is passed over because it is none."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from conceptrast.base.errors import DataError
from conceptrast.base.files import special_kind


@dataclass(frozen=True)
class FolderContent:
    """The files below a folder; hidden ones are left out.

    Attributes:
        files: path, relative to the folder, and size in bytes of every regular file; -1 for a link to nothing.
        passed_over: path and kind of everything else: pipes, sockets, devices, and links to what is there already.
    """

    files: list[tuple[str, int]] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def content_of(folder: Path) -> FolderContent:
    """Files below a folder, sorted. Links are followed, but no file and no folder is visited twice.

    Raises:
        DataError: a folder cannot be read; the message names the first ones.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "loop").symlink_to(folder)
        >>> content_of(folder)
        FolderContent(files=[], passed_over=[('loop', 'a link to what is listed already')])
    """
    walk = _Walk()
    walk.visit(folder, "")
    # Links come last, so that a file is listed under its name and not under that of a link.
    while walk.links:
        walk.follow(*walk.links.pop(0))
    if walk.closed:
        named = ", ".join(walk.closed[:3]) + (", …" if len(walk.closed) > 3 else "")
        raise DataError(f"{len(walk.closed)} folders cannot be read: {named}; let them be read, or take them away")
    return FolderContent(files=sorted(walk.content.files), passed_over=sorted(walk.content.passed_over))


class _Walk:
    """A walk through a folder: what it has listed, and what is still to be followed."""

    def __init__(self) -> None:
        self.content = FolderContent()
        self.links: list[tuple[Path, str]] = []
        self.closed: list[str] = []
        self.visited: set[tuple[int, int]] = set()

    def visit(self, folder: Path, name: str) -> None:
        """List a folder and those below it."""
        waiting = [(folder, name)]
        while waiting:
            folder, name = waiting.pop()
            status = folder.stat()
            self.visited.add((status.st_dev, status.st_ino))
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
                names = [f"{name}/{entry.name}" if name else entry.name for entry in entries]
                for entry, path in zip(entries, names, strict=True):
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        self.links.append((Path(entry.path), path))
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append((Path(entry.path), path))
                    else:
                        self._list(path, entry.stat(follow_symlinks=False))
            except PermissionError:
                self.closed.append(str(folder))

    def follow(self, link: Path, name: str) -> None:
        """List what a link leads to, unless it is listed already."""
        try:
            status = link.stat()
        except PermissionError:
            self.closed.append(str(link))
            return
        except OSError:  # it leads to nothing, or to itself
            self.content.files.append((name, -1))
            return
        if (status.st_dev, status.st_ino) in self.visited:
            self.content.passed_over.append((name, "a link to what is listed already"))
        elif link.is_dir():
            self.visit(link, name)
        else:
            self._list(name, status)

    def _list(self, name: str, status: os.stat_result) -> None:
        self.visited.add((status.st_dev, status.st_ino))
        kind = special_kind(status.st_mode)
        if kind:
            self.content.passed_over.append((name, kind))
        else:
            self.content.files.append((name, status.st_size))
