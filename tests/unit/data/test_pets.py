"""Cats and dogs from their folders, from the archive in the mirror, and sorted from Oxford's breeds."""

from __future__ import annotations

import tarfile

import pytest
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.base.files import file_md5
from conceptrast.data import pets
from conceptrast.data.dataset import open_dataset
from conceptrast.data.hashes import folder_identity
from conceptrast.data.pets import ARCHIVE, UNPACKED, sort_oxford


def opened(root, **options):
    return open_dataset({"kind": "pets", "root": str(root), **options})


def fill(root, *names: str, count: int = 5) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(root / name / f"{number}.jpg")


def mirrored(tmp_path, monkeypatch) -> str:
    """A mirror whose archive counts as the known one; the archive's name."""
    fill(tmp_path / "made" / "cats-dogs-160", "cats", "dogs")
    archive = tmp_path / ARCHIVE[0]
    with tarfile.open(archive, "w") as opened_archive:
        opened_archive.add(tmp_path / "made" / "cats-dogs-160", "cats-dogs-160")
    monkeypatch.setenv("CONCEPTRAST_MIRROR", str(tmp_path))
    monkeypatch.setattr(pets, "ARCHIVE", (ARCHIVE[0], file_md5(archive)))
    monkeypatch.setattr(pets, "UNPACKED", folder_identity(tmp_path / "made" / "cats-dogs-160"))
    return archive.name


def test_a_share_of_each_class_is_for_training(tmp_path):
    fill(tmp_path, "cats", "dogs")
    table = opened(tmp_path, train_share=0.6).build_index().table
    assert table.groupby(["label", "label_name", "split"]).size().to_dict() == {
        (0, "cats", "train"): 3,
        (0, "cats", "validation"): 2,
        (1, "dogs", "train"): 3,
        (1, "dogs", "validation"): 2,
    }


def test_another_folder_is_named(tmp_path):
    fill(tmp_path, "cats", "dgos")
    with pytest.raises(DataError, match="unknown folder of pets 'dgos'; nearest: dogs"):
        opened(tmp_path).build_index()


def test_an_archive_of_the_mirror_is_unpacked_once(tmp_path, monkeypatch):
    name = mirrored(tmp_path, monkeypatch)
    first = opened(tmp_path / "root").build_index().table
    (tmp_path / name).unlink()
    assert opened(tmp_path / "root").build_index().table.equals(first)
    assert len(first) == 10


def test_whoever_comes_second_takes_what_the_first_has_unpacked(tmp_path, monkeypatch):
    root = tmp_path / "root"

    def another_was_faster(*arguments, **options):
        fill(root, "cats", "dogs")
        raise OSError("Directory not empty")

    monkeypatch.setenv("CONCEPTRAST_MIRROR", str(tmp_path))
    monkeypatch.setattr(pets, "unpack", another_was_faster)
    opened(root).fetch()
    assert (root / "cats").is_dir()


def test_a_mirror_without_the_archive_is_named_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCEPTRAST_MIRROR", str(tmp_path))
    missing = opened(tmp_path / "root").missing()
    assert str(tmp_path / ARCHIVE[0]) in missing
    with pytest.raises(DataError, match="does not exist"):
        opened(tmp_path / "root").build_index()


def test_what_cannot_be_downloaded_is_said_with_what_to_do(tmp_path, monkeypatch):
    from conceptrast.base.torchvision_ops import torchvision

    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.delenv("CONCEPTRAST_MIRROR", raising=False)
    monkeypatch.setattr(torchvision.datasets, "OxfordIIITPet", offline)
    with pytest.raises(DataError, match=r"cannot be downloaded \(no route to host\); set CONCEPTRAST_MIRROR"):
        opened(tmp_path / "root").fetch()
    assert list(tmp_path.iterdir()) == []


def test_oxfords_breeds_are_cats_where_their_names_are_capital(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("Abyssinian_1.jpg", "Birman_2.jpg", "beagle_1.jpg", "notes.mat"):
        (tmp_path / "images" / name).write_bytes(b"x")
    sort_oxford(tmp_path / "images", tmp_path / "sorted")
    assert sorted(path.name for path in (tmp_path / "sorted" / "cats").iterdir()) == [
        "Abyssinian_1.jpg",
        "Birman_2.jpg",
    ]
    assert [path.name for path in (tmp_path / "sorted" / "dogs").iterdir()] == ["beagle_1.jpg"]


def downloadable(tmp_path, monkeypatch) -> None:
    """A download that leaves what torchvision's leaves."""
    from conceptrast.base.torchvision_ops import torchvision

    def download(folder, download):
        assert download
        (folder / "oxford-iiit-pet" / "images").mkdir(parents=True)
        for name in ("Abyssinian_1", "Birman_2", "beagle_1"):
            Image.new("RGB", (4, 4)).save(folder / "oxford-iiit-pet" / "images" / f"{name}.jpg")

    monkeypatch.delenv("CONCEPTRAST_MIRROR", raising=False)
    monkeypatch.setattr(torchvision.datasets, "OxfordIIITPet", download)


@pytest.mark.parametrize("source", [mirrored, downloadable])
def test_the_fingerprint_is_the_same_before_and_after_the_photographs_are_fetched(tmp_path, monkeypatch, source):
    """Otherwise the first run would find its own trainings out of date."""
    source(tmp_path, monkeypatch)
    before = opened(tmp_path / "root").fingerprint()
    assert not opened(tmp_path / "root").build_index().table.empty
    assert opened(tmp_path / "root").fingerprint() == before
    next((tmp_path / "root" / "cats").iterdir()).unlink()
    assert opened(tmp_path / "root").fingerprint() != before


def test_the_archive_and_the_download_are_different_pictures(tmp_path, monkeypatch):
    fingerprints = []
    for mirror in ("", str(tmp_path)):
        monkeypatch.setenv("CONCEPTRAST_MIRROR", mirror)
        fingerprints.append(opened(tmp_path / "root").fingerprint())
    assert fingerprints[0] != fingerprints[1]


@pytest.mark.real_data
def test_the_real_archive_holds_a_thousand_of_each(mirror, tmp_path, monkeypatch):
    if not (mirror / ARCHIVE[0]).is_file():
        pytest.skip(f"{mirror} does not hold {ARCHIVE[0]}")
    monkeypatch.setenv("CONCEPTRAST_MIRROR", str(mirror))
    dataset = opened(tmp_path / "root")
    dataset.fetch()
    assert [len(list((tmp_path / "root" / name).iterdir())) for name in dataset.class_names] == [1000, 1000]
    assert folder_identity(tmp_path / "root") == UNPACKED
