"""Archives are checked before anything is written, and unpacked whole or not at all."""

from __future__ import annotations

import io
import tarfile

import pytest

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5
from conceptrast.data.archives import unpack


def archive_of(path, *members: tarfile.TarInfo | str):
    with tarfile.open(path, "w") as opened:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            content = b"content of " + info.name.encode() if info.isreg() else b""
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("set/odd")
    info.type = kind
    info.linkname = target
    return info


def test_the_inner_folder_becomes_the_target(tmp_path):
    archive = archive_of(tmp_path / "a.tar", "set/val/c/1.txt", "set/val/c/2.txt", "set/other.txt")
    unpack(archive, tmp_path / "deep" / "root", inner="set/val", md5=file_md5(archive))
    assert sorted(path.name for path in (tmp_path / "deep").rglob("*")) == ["1.txt", "2.txt", "c", "root"]
    assert (tmp_path / "deep/root/c/1.txt").read_text() == "content of set/val/c/1.txt"


@pytest.mark.parametrize("name", ["../escaped.txt", "set/../../escaped.txt", "/escaped.txt"])
def test_a_member_outside_the_folder_is_refused_and_nothing_is_written(tmp_path, name):
    archive = archive_of(tmp_path / "a.tar", "set/fine.txt", name)
    with pytest.raises(DataError, match=r"outside the folder"):
        unpack(archive, tmp_path / "below" / "root")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "below"]


@pytest.mark.parametrize(
    "member",
    [
        special(tarfile.SYMTYPE, "../../secret"),
        special(tarfile.SYMTYPE, "fine.txt"),
        special(tarfile.LNKTYPE, "set/fine.txt"),
        special(tarfile.CHRTYPE),
        special(tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_are_refused(tmp_path, member):
    archive = archive_of(tmp_path / "a.tar", "set/fine.txt", member)
    with pytest.raises(DataError, match="'set/odd' is a link or a device"):
        unpack(archive, tmp_path / "root")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_another_checksum_is_refused(tmp_path):
    archive = archive_of(tmp_path / "a.tar", "set/fine.txt")
    with pytest.raises(DataError, match="MD5"):
        unpack(archive, tmp_path / "root", md5="0" * 32)
    assert not (tmp_path / "root").exists()


def test_a_truncated_archive_leaves_nothing(tmp_path):
    whole = archive_of(tmp_path / "a.tar", *(f"set/{i}.txt" for i in range(50))).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: len(whole) // 2 + 100])
    with pytest.raises(DataError, match="not a complete tar archive"):
        unpack(tmp_path / "a.tar", tmp_path / "root")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_no_archive_no_inner_folder_and_an_existing_target_are_errors(tmp_path):
    archive = archive_of(tmp_path / "a.tar", "set/fine.txt")
    with pytest.raises(DataError, match="does not exist"):
        unpack(tmp_path / "none.tar", tmp_path / "root")
    with pytest.raises(DataError, match="'set/val'"):
        unpack(archive, tmp_path / "root", inner="set/val")
    (tmp_path / "root").mkdir()
    with pytest.raises(DataError, match="exists already"):
        unpack(archive, tmp_path / "root")
