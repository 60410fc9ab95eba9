"""Photographs of Alaskan malamutes and Siberian huskies, labelled with the classes of ImageNet models."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from conceptrast.base.errors import DataError
from conceptrast.data.archives import unpack
from conceptrast.data.fetched_folder import FetchedFolder
from conceptrast.data.hashes import digest, folder_identity
from conceptrast.data.imagenet_names import imagenet_class_names
from conceptrast.data.imagenette import MIRROR
from conceptrast.data.options import PathOption

BREEDS = {"n02110063": 249, "n02110185": 250}
"""WordNet ids of malamute and Siberian husky, and the outputs of ImageNet models."""
ARCHIVE = ("dogs-185.tar", "2b35a1d431124ebfb46dbb907c5afc8b")
UNPACKED = "f4a065a5fbf0bdd7ac5b06356b8f7109"
"""Hash of the unpacked archive. A clone without the photographs uses it, so that its data do not look changed."""
SOURCES = (
    "Stanford Dogs (vision.stanford.edu/aditya86/ImageNetDogs) has n02110063-malamute and n02110185-Siberian_husky, "
    "ImageNet has n02110063 and n02110185"
)


class Huskies(FetchedFolder):
    """Photographs in ``root/n02110063…`` (malamutes) and ``root/n02110185…`` (Siberian huskies).

    A folder's name starts with the WordNet id, as in ImageNet and in Stanford Dogs. Where the folder is missing,
    ``dogs-185.tar`` is unpacked from the folder that the environment variable ``CONCEPTRAST_MIRROR`` names. Nothing is
    downloaded.

    Args:
        root: the folder with both breeds.
        seed: has no effect; every kind takes a seed.

    Raises:
        ConfigError: an option is not usable.
    """

    def __init__(self, root: PathOption, seed: int = 0) -> None:
        super().__init__(root, seed=seed)

    def fetch(self) -> None:
        """Unpack the photographs if there are none.

        Raises:
            DataError: the archive is damaged.
        """
        if not self.root.is_dir():
            name, md5 = ARCHIVE
            unpack(Path(os.environ[MIRROR]) / name, self.root, inner="dogs-185", md5=md5)

    def missing(self) -> str | None:
        """Says which breed or archive is missing, and where the photographs can be had."""
        if self.root.is_dir():
            there = {folder[:9] for _, folder, _ in self.class_folders()}
            lacking = [breed for breed in BREEDS if breed not in there]
            if lacking:
                return f"root: {self.root.resolve()} has no folder {lacking[0]}…: both breeds are needed. {SOURCES}"
            return None
        mirror = os.environ.get(MIRROR)
        archive = Path(mirror or ".", ARCHIVE[0]).resolve()
        if mirror and archive.is_file():
            return None
        also = f", nor does {archive} ({MIRROR} = {mirror})" if mirror else ""
        return f"root: {self.root.resolve()} does not exist{also}: put both breeds there. {SOURCES}"

    def fingerprint(self) -> str:
        """Hash of what the folder holds; a missing one has the hash of the unpacked archive."""
        return digest("huskies", folder_identity(self.root) or UNPACKED)

    @cached_property
    def _classes(self) -> tuple[dict[str, int], list[str]]:
        labels = {}
        for _, folder, _ in self.class_folders() if self.root.is_dir() else ():
            if folder[:9] not in BREEDS:
                known = " and ".join(f"{breed}…" for breed in BREEDS)
                raise DataError(f"{self.root.resolve()}: {folder} is neither of the folders {known}: take it away")
            labels[folder] = BREEDS[folder[:9]]
        return labels, imagenet_class_names()
