"""Imagenette: photographs of ten ImageNet classes, labelled with the classes of ImageNet models."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

from conceptrast.base.errors import DataError, unknown_name
from conceptrast.data.archives import unpack
from conceptrast.data.fetched_folder import FetchedFolder
from conceptrast.data.hashes import digest, folder_identity
from conceptrast.data.imagenet_names import imagenet_class_names
from conceptrast.data.options import PathOption, as_switch
from conceptrast.data.picture_files import Listed

MIRROR = "CONCEPTRAST_MIRROR"
IMAGENET_INDEX = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
ARCHIVES = {
    "val": ("imagenette-160-val.tar", "c493f9b84de420daaa2651a527a0b10f"),
    "train": ("imagenette-160-train-2000.tar", "7577ec165c640b4c18699d1245d53678"),
}
DOWNLOAD = ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz", "e793b78cc4c9e9a4ccc0c1155377a412")
# Hashes of the unpacked archives. A clone without the data uses them, so that its data do not look changed.
UNPACKED = {"val": "7a2503bd41a6f4e0d7d0a12b28009371", "train": "57ab2406e61d5655ce3c4d73e615ccbc"}


class Imagenette(FetchedFolder):
    """Photographs with a short side of 160 pixels, in ``root/val/<wnid>`` and ``root/train/<wnid>``.

    Missing photographs are unpacked from the archive in the folder that the environment variable
    ``CONCEPTRAST_MIRROR`` names. If it is not set, the whole of Imagenette is downloaded.

    Args:
        root: the folder; it is made if it does not exist.
        train: whether the training photographs belong to the dataset, too.
        seed: has no effect; every kind takes a seed.

    Raises:
        ConfigError: an option is not usable.
    """

    def __init__(self, root: PathOption, train: bool = False, seed: int = 0) -> None:
        super().__init__(root, seed=seed)
        self.folders = ("train", "val") if as_switch("train", train) else ("val",)

    def fetch(self) -> None:
        """Put the missing photographs below ``root``.

        Raises:
            DataError: neither the mirror nor the download has them.
        """
        absent = [folder for folder in self.folders if not (self.root / folder).is_dir()]
        if absent and not os.environ.get(MIRROR):
            self._download(absent)
            return
        for folder in absent:
            name, md5 = ARCHIVES[folder]
            unpack(Path(os.environ[MIRROR]) / name, self.root / folder, inner=f"imagenette-160/{folder}", md5=md5)

    def listed(self) -> list[Listed]:
        """All photographs of the folders that belong to the dataset."""
        return [file for file in super().listed() if file.path.split("/")[0] in self.folders]

    def missing(self) -> str | None:
        """Says which archive the mirror lacks; ``None`` if the photographs are there or can be downloaded."""
        mirror = os.environ.get(MIRROR)
        for folder in self.folders:
            archive = Path(mirror or ".", ARCHIVES[folder][0]).resolve()
            if not (self.root / folder).is_dir() and mirror and not archive.is_file():
                return (
                    f"root: {(self.root / folder).resolve()} does not exist, nor does {archive} ({MIRROR} = {mirror})"
                )
        return None

    def fingerprint(self) -> str:
        """Hash of what the folders hold. A missing folder has the hash of its unpacked archive."""
        if self.root.with_name(self.root.name + ".dvc").is_file():
            return digest("imagenette", self.folders, folder_identity(self.root))
        identities = [folder_identity(self.root / folder) or UNPACKED[folder] for folder in self.folders]
        return digest("imagenette", self.folders, identities)

    @cached_property
    def _classes(self) -> tuple[dict[str, int], list[str]]:
        for _, folder, _ in self.class_folders() if self.root.is_dir() else ():
            if folder not in IMAGENET_INDEX:
                raise DataError(f"{self.root}: {unknown_name('Imagenette folder', folder, IMAGENET_INDEX)}")
        return dict(IMAGENET_INDEX), imagenet_class_names()

    def _download(self, absent: list[str]) -> None:
        from conceptrast.base.torchvision_ops import torchvision  # importing it takes seconds

        # The download gets a folder of its own, which is deleted whatever happens.
        self.root.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".download.", dir=self.root))
        url, md5 = DOWNLOAD
        archive = part / Path(url).name
        try:
            torchvision.datasets.utils.download_url(url, part, archive.name, md5)
            for folder in absent:
                unpack(archive, self.root / folder, inner=f"imagenette2-160/{folder}")
        except (OSError, RuntimeError) as error:
            archives = " and ".join(ARCHIVES[folder][0] for folder in absent)
            raise DataError(
                f"Imagenette is not at {self.root.resolve()} and cannot be downloaded ({error}); set {MIRROR} to a "
                f"folder that holds {archives}, or root to the photographs"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
