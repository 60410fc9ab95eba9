"""Check archives against their checksum, and unpack them so that no file lands outside the folder."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5


def unpack(archive: Path | str, target: Path | str, inner: str = ".", md5: str | None = None) -> None:
    """Unpack a tar archive into a new folder. If anything fails, the folder is not made.

    Args:
        archive: a ``.tar``, compressed or not.
        target: folder that does not exist yet.
        inner: folder inside the archive that becomes ``target``.
        md5: the MD5 that the archive must have.

    Raises:
        DataError: the archive is missing, broken or not the expected one; a member is a link or a device, or would lie
            outside the folder; ``inner`` is not in it; ``target`` exists.
    """
    archive = Path(archive)
    target = Path(target)
    # Refuse what cannot be unpacked.
    if not archive.is_file():
        raise DataError(f"the archive {archive} does not exist")
    if target.exists():
        raise DataError(f"{target} exists already: {archive.name} is not unpacked over it")
    if md5 and (got := file_md5(archive)) != md5:
        raise DataError(f"{archive} has the MD5 {got}, not {md5}: it is damaged or another archive; fetch it again")
    # Unpack into a folder beside the target, and rename the folder when all is there.
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        _extract(archive, part)
        if not (part / inner).is_dir():
            raise DataError(f"{archive} does not hold the folder {inner!r}")
        (part / inner).chmod(0o755)  # mkdtemp's folders are private
        os.replace(part / inner, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as opened:
            members = opened.getmembers()
            for member in members:
                _refuse_unsafe(archive, member)
            _refuse_incomplete(archive, opened)
            opened.extractall(folder, members, filter="data")
    except tarfile.FilterError as error:
        raise DataError(f"{archive}: {error}") from error
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive} is not a complete tar archive: {error}") from error


def _refuse_incomplete(archive: Path, opened: tarfile.TarFile) -> None:
    # tarfile accepts a file that ends within a header; a complete archive ends with blocks of zeros
    stream = opened.fileobj
    assert stream is not None
    stream.seek(opened.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{archive} is not a complete tar archive: it ends without its end mark")


def _refuse_unsafe(archive: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{archive}: the member {member.name!r} would lie outside the folder; nothing was unpacked")
    if not (member.isreg() or member.isdir()):
        raise DataError(f"{archive}: the member {member.name!r} is a link or a device; nothing was unpacked")
