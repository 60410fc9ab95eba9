"""Imagenette from its folders, from an archive in the mirror, and when neither is there."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5
from conceptrast.data import imagenette
from conceptrast.data.dataset import open_dataset
from conceptrast.data.imagenette import ARCHIVES, IMAGENET_INDEX, Imagenette


def fill(root, *folders: str) -> None:
    for folder in folders:
        for wnid in IMAGENET_INDEX:
            (root / folder / wnid).mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(root / folder / wnid / "a.JPEG")


@contextmanager
def served(folder) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})  # seconds until it sees its end
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def opened(root, **options):
    return open_dataset({"kind": "imagenette", "root": str(root), **options})


def test_folders_get_the_labels_and_names_of_imagenet(tmp_path):
    fill(tmp_path, "val", "train")
    dataset = opened(tmp_path)
    table = dataset.build_index().table
    assert table.label.tolist() == [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]
    assert table.label_name.tolist() == [
        "tench",
        "English springer",
        "cassette player",
        "chain saw",
        "church",
        "French horn",
        "garbage truck",
        "gas pump",
        "golf ball",
        "parachute",
    ]
    assert set(table.split) == {"validation"}
    assert len(dataset.class_names) == 1000


def test_training_photographs_belong_to_it_when_asked_for(tmp_path):
    fill(tmp_path, "val", "train")
    assert opened(tmp_path, train=True).build_index().table.split.value_counts().to_dict() == {
        "train": 10,
        "validation": 10,
    }


def test_a_folder_of_another_class_is_named(tmp_path):
    fill(tmp_path, "val")
    (tmp_path / "val" / "n01440765").mkdir()
    with pytest.raises(DataError, match="'n01440765'; nearest: n01440764"):
        opened(tmp_path).build_index()


def test_a_mirror_without_the_archive_is_reported_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCEPTRAST_MIRROR", str(tmp_path / "mirror"))
    dataset = opened(tmp_path / "root")
    assert "imagenette-160-val.tar" in dataset.missing()
    assert "CONCEPTRAST_MIRROR" in dataset.missing()
    with pytest.raises(DataError, match="imagenette-160-val"):
        dataset.build_index()


def test_an_archive_with_another_checksum_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCEPTRAST_MIRROR", str(tmp_path))
    (tmp_path / ARCHIVES["val"][0]).write_bytes(b"something else")
    assert opened(tmp_path / "root").missing() is None
    with pytest.raises(DataError, match="MD5"):
        opened(tmp_path / "root").build_index()


def test_a_download_that_fails_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("CONCEPTRAST_MIRROR", raising=False)
    monkeypatch.setattr(imagenette, "DOWNLOAD", ("http://127.0.0.1:9/imagenette2-160.tgz", "0" * 32))
    with pytest.raises(
        DataError, match=r"cannot be downloaded.*set CONCEPTRAST_MIRROR to a folder.*imagenette-160-val"
    ):
        opened(tmp_path / "root").build_index()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.fixture
def download(tmp_path, monkeypatch) -> Iterator[Path]:
    """An archive like the published one, on a server of this machine, where it is fetched from."""
    fill(tmp_path / "source" / "imagenette2-160", "val", "train")
    archive = tmp_path / "served" / "imagenette2-160.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as opened_archive:
        opened_archive.add(tmp_path / "source" / "imagenette2-160", "imagenette2-160")
    monkeypatch.delenv("CONCEPTRAST_MIRROR", raising=False)
    with served(archive.parent) as address:
        monkeypatch.setattr(imagenette, "DOWNLOAD", (f"{address}/{archive.name}", file_md5(archive)))
        yield archive


@pytest.mark.parametrize(("train", "folders"), [(False, ["val"]), (True, ["train", "val"])])
def test_a_download_is_put_where_the_index_looks(tmp_path, download, train, folders):
    assert len(opened(tmp_path / "root", train=train).build_index().table) == 10 * len(folders)
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == folders


def test_a_download_with_another_checksum_is_refused(tmp_path, download):
    download.write_bytes(download.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be downloaded"):
        opened(tmp_path / "root").build_index()
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("imagenette2-160/../../escaped", tarfile.REGTYPE, "outside the folder"),
        ("imagenette2-160/val/link", tarfile.SYMTYPE, "is a link"),
    ],
)
def test_no_member_of_a_download_leaves_its_folder(tmp_path, monkeypatch, download, name, kind, message):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc"
    with tarfile.open(download, "w:gz") as changed:
        changed.add(tmp_path / "source" / "imagenette2-160", "imagenette2-160")
        changed.addfile(member)
    monkeypatch.setattr(imagenette, "DOWNLOAD", (imagenette.DOWNLOAD[0], file_md5(download)))
    with pytest.raises(DataError, match=message):
        opened(tmp_path / "root").build_index()
    assert list((tmp_path / "root").iterdir()) == []
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.real_data
def test_the_archive_of_the_mirror_becomes_the_index(tmp_path, mirror):
    dataset = Imagenette(str(tmp_path / "root"))
    absent = dataset.fingerprint()
    index = dataset.build_index(workers=2)
    assert len(index.table) == 3925
    assert index.rejected.empty
    assert index.table.label.nunique() == 10
    assert min(dataset.picture(index.table.iloc[0]).size) >= 160
    assert dataset.fingerprint() == absent
    next((tmp_path / "root" / "val" / "n01440764").iterdir()).unlink()
    assert dataset.fingerprint() != absent


@pytest.mark.real_data
def test_a_clone_without_the_training_photographs_looks_like_one_with_them(tmp_path, mirror):
    if not (mirror / ARCHIVES["train"][0]).is_file():
        pytest.skip(f"{mirror} does not hold {ARCHIVES['train'][0]}")
    dataset = Imagenette(str(tmp_path / "root"), train=True)
    absent = dataset.fingerprint()
    dataset.fetch()
    assert dataset.fingerprint() == absent
