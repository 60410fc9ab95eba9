"""Pictures on the user's disk: one folder for each class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from conceptrast.base.errors import ConfigError, DataError, unknown_name
from conceptrast.base.streams import Stream, generator
from conceptrast.data.hashes import digest, file_identity, folder_identity
from conceptrast.data.imagenet_names import imagenet_class_names
from conceptrast.data.options import PathOption, as_names, as_path, as_share
from conceptrast.data.picture_files import Listed, PictureFiles, pictures_below, subfolders
from conceptrast.data.text_files import read_pairs, read_text

SPLIT_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": None}

LARGEST_CLASS = 10**6
"""A larger index is a mistake; there is a name for each smaller one."""


class ImageFolder(PictureFiles):
    """``root/<class>/…`` or ``root/{train,val}/<class>/…``; a folder ``test`` beside ``train`` and ``val`` is left out.

    Labels are the classes in the order of their folders' names, unless ``class_file`` or ``class_names`` says
    otherwise. Without split folders, all pictures are ``validation``, the split that studies explain.

    Args:
        root: the folder.
        class_file: maps folders to the model's classes (index or name): a CSV with the header ``folder,class``, or a
            JSON object.
        class_names: names by class index: a list, or ``"imagenet"`` for the 1,000 of ImageNet. Without
            ``class_file``, the folders must have these names.
        train_share: share of each class, 0 to 1, that becomes ``train`` if there are no split folders.
        seed: seed of the draw of these training pictures.

    Raises:
        ConfigError: an option is not usable.
    """

    def __init__(
        self,
        root: PathOption,
        class_file: PathOption | None = None,
        class_names: list[str] | str | None = None,
        train_share: float = 0.0,
        seed: int = 0,
    ) -> None:
        if class_names not in (None, "imagenet"):
            class_names = as_names("class_names", class_names, "a list of names or 'imagenet'")
        self.root = as_path("root", root)
        self.class_file = as_path("class_file", class_file) if class_file is not None else None
        self.given_names = class_names
        self.train_share = as_share("train_share", train_share)
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """Names by label."""
        return self._classes[1]

    def listed(self) -> list[Listed]:
        """All picture files with label and split."""
        labels = self._classes[0]
        return [
            file
            for split, folder, path in self.class_folders()
            for file in self._with_split(path, labels[folder], split)
        ]

    def missing(self) -> str | None:
        """Says which folder or class file is missing."""
        if not self.root.is_dir():
            return f"root: the folder {self.root.resolve()} does not exist; expected <root>/<class>/*.jpg"
        if self.class_file is not None and not self.class_file.is_file():
            return f"class_file: {self.class_file.resolve()} does not exist"
        if not subfolders(self.root):
            return f"root: {self.root.resolve()} holds no class folders; expected <root>/<class>/*.jpg"
        return None

    def fingerprint(self) -> str:
        """Hash of what the folder and the class file hold, and of the options."""
        options = (self.given_names, self.train_share, self.seed if self.train_share else None)
        return digest("image_folder", folder_identity(self.root), file_identity(self.class_file), *options)

    def class_folders(self) -> Iterator[tuple[str | None, str, str]]:
        """Split (``None`` if there are no split folders), class folder and path of every class folder."""
        below = subfolders(self.root)
        if not below:
            raise DataError(f"{self.root.resolve()} holds no class folders; expected <root>/<class>/*.jpg")
        if not set(below) <= set(SPLIT_FOLDERS):
            yield from ((None, folder, folder) for folder in below)
            return
        if self.train_share:
            raise ConfigError(f"train_share: {self.root} is split already into {', '.join(below)}; leave it out")
        for name in below:
            if split := SPLIT_FOLDERS[name]:
                yield from ((split, folder, f"{name}/{folder}") for folder in subfolders(self.root / name))

    def _with_split(self, path: str, label: int, split: str | None) -> list[Listed]:
        files = [(f"{path}/{file}", refused) for file, refused in pictures_below(self.root / path)]
        if split is not None:
            return [Listed(file, label, split, refused) for file, refused in files]
        order = generator(Stream.FOLDER_SPLIT, self.seed, label).permutation(len(files))
        train = set(order[: round(self.train_share * len(files))].tolist())
        return [
            Listed(file, label, "train" if i in train else "validation", refused)
            for i, (file, refused) in enumerate(files)
        ]

    @cached_property
    def _classes(self) -> tuple[dict[str, int], list[str]]:
        """Label of each class folder, and the names by label."""
        if lacking := self.missing():
            raise DataError(lacking)
        folders = sorted({folder for _, folder, _ in self.class_folders()})
        names = imagenet_class_names() if isinstance(self.given_names, str) else self.given_names
        if self.class_file is not None:
            return labels_from_file(self.class_file, folders, names)
        if names is None:
            return {folder: label for label, folder in enumerate(folders)}, folders
        return {folder: _index_of(folder, names, f"{self.root}: folder") for folder in folders}, names


def labels_from_file(class_file: Path, folders: list[str], names: list[str] | None) -> tuple[dict[str, int], list[str]]:
    """Labels of folders, from a class file.

    Args:
        class_file: see :class:`ImageFolder`.
        folders: the folders that need a label.
        names: names by class index, if they are known.

    Returns:
        The label of each folder, and names by label; without ``names`` a class is named after its folder.

    Raises:
        DataError: a folder is not in the file, or the file names a class that does not exist.
    """
    classes = read_class_file(class_file)
    labels = {}
    for folder in folders:
        if folder not in classes:
            raise DataError(f"{class_file}: {unknown_name('folder', folder, classes)}")
        labels[folder] = _index_of(classes[folder], names, f"{class_file}: class")
    if names is None:
        by_label = {label: folder for folder, label in reversed(labels.items())}
        names = [by_label.get(label, f"class {label}") for label in range(max(by_label, default=-1) + 1)]
    return labels, names


def read_class_file(class_file: Path) -> dict[str, str]:
    """Folder to class (index or name, as text) from a CSV with the header ``folder,class`` or a JSON object."""
    if class_file.suffix.lower() == ".json":
        try:
            content = json.loads(read_text(class_file))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{class_file} is no valid JSON: {error}") from error
        if not isinstance(content, dict):
            raise DataError(f"{class_file} has to hold an object {{folder: class}}")
        return {folder: str(value) for folder, value in content.items()}
    return read_pairs(class_file, "folder", "class")


def _index_of(wanted: str, names: list[str] | None, what: str) -> int:
    """Class index of a name, or of an index written as text."""
    if wanted.isdecimal() and (names is None or wanted not in names):
        # The number of digits first: Python turns no text of thousands of digits into a number.
        if len(wanted) > len(str(LARGEST_CLASS)) or (names is None and int(wanted) > LARGEST_CLASS):
            raise DataError(f"{what} {wanted[:20]} is no class of any model: indices end at {LARGEST_CLASS}")
        if names is not None and int(wanted) >= len(names):
            raise DataError(f"{what} {wanted} does not exist: there are {len(names)} classes, counted from 0")
        return int(wanted)
    if names is None:
        raise DataError(f"{what} {wanted!r} is a name; class_names has to list the names, or write the index")
    if names.count(wanted) > 1:
        raise DataError(f"{what} {wanted!r} is the name of several classes; write the index into a class_file")
    if wanted not in names:
        raise DataError(unknown_name(what, wanted, names))
    return names.index(wanted)
