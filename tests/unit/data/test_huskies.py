"""Huskies and malamutes from folders named by WordNet id, from the archive in the mirror, and when one is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.hashes import folder_identity
from conceptrast.data.huskies import ARCHIVE, UNPACKED
from conceptrast.data.imagenette import MIRROR

STANFORD = ("n02110063-malamute", "n02110185-Siberian_husky")


def fill(root: Path, *folders: str) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(root / folder / "a.jpg")
    return root


def opened(root: Path):
    return open_dataset({"kind": "huskies", "root": str(root)})


@pytest.mark.parametrize("folders", [STANFORD, ("n02110063", "n02110185")])
def test_folders_of_stanford_dogs_and_of_imagenet_get_the_labels_of_imagenet_models(tmp_path, folders):
    dataset = opened(fill(tmp_path / "dogs", *folders))
    table = dataset.build_index().table
    assert table[["label", "label_name", "split"]].to_numpy().tolist() == [
        [249, "malamute", "validation"],
        [250, "Siberian husky", "validation"],
    ]
    assert len(dataset.class_names) == 1000
    assert dataset.missing() is None


def test_a_folder_with_one_breed_only_is_refused_and_says_where_the_other_can_be_had(tmp_path):
    with pytest.raises(DataError, match=r"has no folder n02110185…: both breeds are needed.*Stanford Dogs"):
        opened(fill(tmp_path / "dogs", STANFORD[0])).build_index()


def test_another_folder_is_named(tmp_path):
    dataset = opened(fill(tmp_path / "dogs", *STANFORD, "n02109961-Eskimo_dog"))
    with pytest.raises(DataError, match="n02109961-Eskimo_dog is neither of the folders n02110063… and n02110185…"):
        dataset.build_index()


def test_without_a_folder_the_mirror_or_the_source_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(MIRROR, raising=False)
    with pytest.raises(DataError, match=r"does not exist: put both breeds there\. Stanford Dogs"):
        opened(tmp_path / "dogs").build_index()
    monkeypatch.setenv(MIRROR, str(tmp_path))
    with pytest.raises(DataError, match=rf"does not exist, nor does .*{ARCHIVE[0]} \({MIRROR} = "):
        opened(tmp_path / "dogs").build_index()


def test_a_damaged_archive_is_refused(tmp_path, monkeypatch):
    (tmp_path / ARCHIVE[0]).write_bytes(b"no archive")
    monkeypatch.setenv(MIRROR, str(tmp_path))
    with pytest.raises(DataError, match=ARCHIVE[0]):
        opened(tmp_path / "dogs").build_index()
    assert not (tmp_path / "dogs").exists()


@pytest.mark.real_data
def test_the_archive_of_the_mirror_has_both_breeds(tmp_path):
    if not Path(os.environ.get(MIRROR, "."), ARCHIVE[0]).is_file():
        pytest.skip(f"{MIRROR} names no folder with {ARCHIVE[0]}")
    table = opened(tmp_path / "dogs").build_index().table
    assert table["label_name"].value_counts().to_dict() == {"Siberian husky": 96, "malamute": 89}
    assert folder_identity(tmp_path / "dogs") == UNPACKED
