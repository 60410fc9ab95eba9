"""The ILSVRC-2012 validation set: one flat folder and its solution, or one folder for each WordNet id."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from conceptrast.base.errors import DataError, unknown_name
from conceptrast.data.hashes import digest, file_identity, folder_identity
from conceptrast.data.imagenet_names import imagenet_class_names
from conceptrast.data.options import PathOption, as_path
from conceptrast.data.picture_files import Listed, PictureFiles, pictures_below, subfolders
from conceptrast.data.text_files import read_pairs, read_text

SOLUTION = "LOC_val_solution.csv"
SYNSETS = "LOC_synset_mapping.txt"
WNID = re.compile(r"n\d{8}")
EXPECTED = f"the ILSVRC-2012 validation set: <root>/*.JPEG and {SOLUTION}, or <root>/<wnid>/*.JPEG"


class ImageNet(PictureFiles):
    """Photographs of the validation set, labelled with the outputs of ImageNet models.

    Unless ``solution`` and ``synsets`` are named, they are looked for in ``root`` and in the folder above it. If there
    are folders for WordNet ids, no solution is needed. The class of a WordNet id is its line in ``synsets``. Without
    that file, the set has to hold all 1,000 ids, and the class is the id's place in their sorted list.

    Args:
        root: folder of the photographs, or of the class folders.
        solution: Kaggle's CSV: ``ImageId``, and ``PredictionString`` that starts with the WordNet id.
        synsets: text whose lines start with a WordNet id; what follows it is the name of the class.
        seed: has no effect; every kind takes a seed.

    Raises:
        ConfigError: an option is not a path.
    """

    def __init__(
        self, root: PathOption, solution: PathOption | None = None, synsets: PathOption | None = None, seed: int = 0
    ) -> None:
        self.root = as_path("root", root)
        self.solution = as_path("solution", solution) if solution is not None else self._beside(SOLUTION)
        self.synsets = as_path("synsets", synsets) if synsets is not None else self._beside(SYNSETS)
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """Names by label, from ``synsets`` if it has them."""
        return self._classes[1]

    def listed(self) -> list[Listed]:
        """All photographs; those that the solution does not know are refused."""
        if self._wnid_folders():
            return [
                self._labelled(f"{wnid}/{name}", wnid, refused)
                for wnid in self._wnid_folders()
                for name, refused in pictures_below(self.root / wnid)
            ]
        return [
            self._labelled(path, self._solved.get(Path(path).stem), refused)
            for path, refused in pictures_below(self.root)
        ]

    def missing(self) -> str | None:
        """Says which folder or file is missing."""
        if not self.root.is_dir():
            return f"root: the folder {self.root.resolve()} does not exist; expected {EXPECTED}"
        for key, path in (("solution", self.solution), ("synsets", self.synsets)):
            if path is not None and not path.is_file():
                return f"{key}: {path.resolve()} does not exist"
        if self.solution is None and not self._wnid_folders():
            return (
                f"solution: not named, and {self.root.resolve()} holds no folders of WordNet ids; expected {EXPECTED}"
            )
        return None

    def fingerprint(self) -> str:
        """Hash of what the folder, the solution and the synsets hold."""
        return digest("imagenet", folder_identity(self.root), file_identity(self.solution), file_identity(self.synsets))

    def _beside(self, usual: str) -> Path | None:
        places = (self.root / usual, self.root.parent / usual)
        return next((place for place in places if place.is_file()), None)

    def _wnid_folders(self) -> list[str]:
        return [name for name in subfolders(self.root) if WNID.fullmatch(name)]

    def _labelled(self, path: str, wnid: str | None, refused: str | None) -> Listed:
        if refused:
            return Listed(path, label=-1, refused=refused)
        if wnid is None:
            return Listed(path, label=-1, refused=f"{self.solution} does not list it")
        labels = self._classes[0]
        if wnid not in labels:
            raise DataError(
                f"{path}: {unknown_name('WordNet id', wnid, labels)} (from {self.synsets or 'the folders'})"
            )
        return Listed(path, labels[wnid])

    @cached_property
    def _solved(self) -> dict[str, str]:
        """WordNet id by image id."""
        assert self.solution is not None  # missing() has checked it
        solved = read_pairs(self.solution, "ImageId", "PredictionString")
        return {image: prediction.split()[0] for image, prediction in solved.items()}

    @cached_property
    def _classes(self) -> tuple[dict[str, int], list[str]]:
        """Label of each WordNet id, and the names by label."""
        if lacking := self.missing():
            raise DataError(lacking)
        if self.synsets is not None:
            return read_synsets(self.synsets)
        wnids = sorted(self._wnid_folders() or set(self._solved.values()))
        if len(wnids) != 1000:
            raise DataError(
                f"synsets: without it {self.root.resolve()} has to hold all 1000 WordNet ids, and holds {len(wnids)}; "
                f"name a text whose lines start with the ids in the order of the model's outputs ({SYNSETS})"
            )
        return {wnid: label for label, wnid in enumerate(wnids)}, imagenet_class_names()


def read_synsets(path: Path) -> tuple[dict[str, int], list[str]]:
    """Classes, in the order of the lines of a text file.

    Args:
        path: text whose lines start with a WordNet id; the rest of the line, up to a comma, names the class.

    Returns:
        Label of each WordNet id, and the names by label. If the text has no names, the ids are the names.

    Raises:
        DataError: a line starts with something else, an id occurs twice, or the text is not UTF-8.
    """
    labels: dict[str, int] = {}
    names = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        wnid, _, rest = line.strip().partition(" ")
        if not wnid:
            continue
        if not WNID.fullmatch(wnid) or wnid in labels:
            raise DataError(f"{path}, line {number}: expected a new WordNet id like n01440764, got {wnid!r}")
        labels[wnid] = len(labels)
        names.append(rest.split(",")[0].strip() or wnid)
    if set(names) == set(labels) and len(labels) == 1000:
        names = imagenet_class_names()
    return labels, names
