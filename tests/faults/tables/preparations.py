"""What is put into a case's folder before it runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ..case import Preparation


def written(name: str, content: str | bytes) -> Preparation:
    """A file."""

    def prepare(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return prepare


def pipe(name: str) -> Preparation:
    """A pipe, which nobody writes to."""

    def prepare(folder: Path) -> None:
        os.mkfifo(folder / name)

    return prepare


def socket_file(name: str) -> Preparation:
    """A socket, at which nobody listens."""

    def prepare(folder: Path) -> None:
        # Names of sockets are short, so it is named from inside its folder.
        here = os.getcwd()
        os.chdir((folder / name).parent)
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(Path(name).name)
        os.chdir(here)

    return prepare


def link(name: str, target: str) -> Preparation:
    """A symbolic link."""

    def prepare(folder: Path) -> None:
        (folder / name).symlink_to(target)

    return prepare


def subfolder(name: str, mode: int = 0o755) -> Preparation:
    """An empty folder."""

    def prepare(folder: Path) -> None:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(mode)

    return prepare


def renamed(name: str, new: str) -> Preparation:
    """A file or folder under another name."""

    def prepare(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(folder / new)

    return prepare


def all_of(*preparations: Preparation) -> Preparation:
    """One after the other."""

    def prepare(folder: Path) -> None:
        for preparation in preparations:
            preparation(folder)

    return prepare
