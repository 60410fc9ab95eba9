"""Cats and dogs: from an archive in the mirror, or the Oxford-IIIT Pet photographs by torchvision."""

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
from conceptrast.data.imagenette import MIRROR
from conceptrast.data.options import PathOption

CLASSES = ("cats", "dogs")
ARCHIVE = ("cats-dogs-160.tar", "6d7a30d6a8ebf64193943c5539e1dd68")
# Hashes of the photographs. They are used even before the photographs are fetched: otherwise the first run would make
# its own results look out of date. The download has a name instead of a hash, because torchvision checks its archive.
# A hidden file beside the photographs holds the hash of the files that this name stands for.
UNPACKED = "e757af34050158e274b5a584cd4eba69"
DOWNLOADED = "oxford-iiit-pet"
_NOTE = ".downloaded"


class Pets(FetchedFolder):
    """Photographs of cats and dogs in ``root/cats`` and ``root/dogs``.

    Missing photographs are unpacked from ``cats-dogs-160.tar`` (1,000 of each, short side 160 pixels) in the folder
    that the environment variable ``CONCEPTRAST_MIRROR`` names. If it is not set, torchvision downloads the Oxford-IIIT
    Pet photographs (2,400 cats and 4,990 dogs; Parkhi et al. 2012).

    Args:
        root: the folder; it is made if it does not exist.
        train_share: share of each class, 0 to 1, that becomes ``train``.
        seed: seed of the draw of the training pictures.

    Raises:
        ConfigError: an option is not usable.
    """

    def __init__(self, root: PathOption, train_share: float = 0.8, seed: int = 0) -> None:
        super().__init__(root, train_share=train_share, seed=seed)

    def fetch(self) -> None:
        """Put the photographs below ``root`` if there are none.

        Raises:
            DataError: neither the mirror nor the download has them.
        """
        if self.root.is_dir():
            return
        try:
            if os.environ.get(MIRROR):
                name, md5 = ARCHIVE
                unpack(Path(os.environ[MIRROR]) / name, self.root, inner="cats-dogs-160", md5=md5)
            else:
                self._download()
        except (OSError, DataError):
            # Two datasets of a run may use the same photographs; the second one finds them already there.
            if not self.root.is_dir():
                raise

    def missing(self) -> str | None:
        """Says which archive the mirror lacks; ``None`` if the photographs are there or can be downloaded."""
        mirror = os.environ.get(MIRROR)
        archive = Path(mirror or ".", ARCHIVE[0]).resolve()
        if not self.root.is_dir() and mirror and not archive.is_file():
            return f"root: {self.root.resolve()} does not exist, nor does {archive} ({MIRROR} = {mirror})"
        return None

    def fingerprint(self) -> str:
        """Hash of what the folder holds, or will hold once it is fetched, and of the split."""
        return digest("pets", self._identity(), self.train_share, self.seed)

    def _identity(self) -> str:
        identity = folder_identity(self.root)
        note = self.root / _NOTE
        if identity is None:
            return UNPACKED if os.environ.get(MIRROR) else DOWNLOADED
        return DOWNLOADED if note.is_file() and note.read_text() == identity else identity

    @cached_property
    def _classes(self) -> tuple[dict[str, int], list[str]]:
        for _, folder, _ in self.class_folders() if self.root.is_dir() else ():
            if folder not in CLASSES:
                raise DataError(f"{self.root}: {unknown_name('folder of pets', folder, CLASSES)}")
        return {name: label for label, name in enumerate(CLASSES)}, list(CLASSES)

    def _download(self) -> None:
        from conceptrast.base.torchvision_ops import torchvision  # importing it takes seconds

        # The download gets a folder of its own; the sorted photographs move to ``root`` when all are there.
        self.root.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".download.", dir=self.root.parent))
        try:
            torchvision.datasets.OxfordIIITPet(part, download=True)
            sort_oxford(part / "oxford-iiit-pet" / "images", part / "sorted")
            (part / "sorted" / _NOTE).write_text(str(folder_identity(part / "sorted")))
            os.replace(part / "sorted", self.root)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"cats and dogs are not at {self.root.resolve()} and cannot be downloaded ({error}); set {MIRROR} to a "
                f"folder that holds {ARCHIVE[0]}, or root to a folder with {CLASSES[0]}/ and {CLASSES[1]}/"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def sort_oxford(images: Path, target: Path) -> None:
    """Sort the photographs of Oxford-IIIT Pet into cats and dogs; names of cat breeds start with a capital letter.

    Args:
        images: folder of ``<breed>_<number>.jpg``.
        target: new folder, which gets ``cats`` and ``dogs``.
    """
    for name in CLASSES:
        (target / name).mkdir(parents=True)
    for photograph in sorted(images.glob("*.jpg")):
        name = CLASSES[0] if photograph.name[0].isupper() else CLASSES[1]
        os.replace(photograph, target / name / photograph.name)
