"""Choose the images that explain a class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from conceptrast.base.errors import ConfigError, DataError, unknown_name
from conceptrast.base.streams import Stream, generator


def class_images(
    predictions: pd.DataFrame,
    min_images: int,
    images_per_class: int,
    seed: int,
    n_classes: int,
    classes: Iterable[int] | None = None,
) -> tuple[dict[int, np.ndarray], pd.DataFrame]:
    """Images of each class: those the model predicts as the class, whatever their label.

    Args:
        predictions: columns image, predicted; one row per image.
        min_images: a class with fewer predicted images is skipped.
        images_per_class: largest number of images of a class; if there are more, they are drawn without replacement.
        seed: seed of the draw. Each class is drawn by itself, so another class's images change nothing.
        n_classes: number of the model's classes.
        classes: class indices to look at; all classes if ``None``.

    Returns:
        Image ids by class index (both sorted), and the skipped classes: columns class, n_images.

    Raises:
        ConfigError: the model does not have one of the classes.

    Example:
        >>> predictions = pd.DataFrame({"image": [0, 1, 2, 3], "predicted": [5, 5, 5, 2]})
        >>> chosen, skipped = class_images(predictions, 2, 60, seed=0, n_classes=6, classes=[2, 5])
        >>> chosen
        {5: array([0, 1, 2])}
        >>> skipped
           class  n_images
        0      2         1
    """
    targets = sorted(range(n_classes) if classes is None else {int(target) for target in classes})
    if targets and not 0 <= targets[0] <= targets[-1] < n_classes:
        raise ConfigError(
            f"class {targets[0] if targets[0] < 0 else targets[-1]} does not exist: 0 to {n_classes - 1} do"
        )
    images, predicted = (predictions[name].to_numpy(np.int64) for name in ("image", "predicted"))
    images_by_class: dict[int, np.ndarray] = {}
    skipped: list[tuple[int, int]] = []
    for target in targets:
        of_class = np.sort(images[predicted == target])
        if len(of_class) < max(1, min_images):
            skipped.append((target, len(of_class)))
        else:
            images_by_class[target] = _draw(of_class, images_per_class, generator(Stream.CLASS_IMAGES, seed, target))
    return images_by_class, pd.DataFrame(skipped, columns=["class", "n_images"], dtype=np.int64)


def images_of_class(predictions: pd.DataFrame, target: int, most: int, seed: int, n_classes: int) -> np.ndarray:
    """Images that the model predicts as one class: those that :func:`class_images` draws for it.

    Args:
        predictions: columns image, predicted; one row per image.
        target: class index.
        most: largest number of images.
        seed: seed of the draw.
        n_classes: number of the model's classes.

    Returns:
        Image ids ``[n]``, sorted; empty if no image is predicted as the class.

    Raises:
        ConfigError: the model does not have the class.

    Example:
        >>> predictions = pd.DataFrame({"image": [0, 1], "predicted": [5, 2]})
        >>> images_of_class(predictions, 5, most=3, seed=0, n_classes=6).tolist()
        [0]
    """
    images, _ = class_images(
        predictions, min_images=1, images_per_class=most, seed=seed, n_classes=n_classes, classes=[target]
    )
    return images.get(target, np.empty(0, np.int64))


def surest_images(predictions: pd.DataFrame, images: np.ndarray, most: int) -> np.ndarray:
    """The images with the most probable predictions, the most probable first.

    Args:
        predictions: columns image, probability.
        images: ids to choose from.
        most: largest number of images.

    Returns:
        Image ids ``[n]``; if two images are equally probable, the lower id comes first.

    Example:
        >>> predictions = pd.DataFrame({"image": [0, 1, 2], "probability": [0.5, 0.9, 0.7]})
        >>> surest_images(predictions, np.array([0, 2]), most=1).tolist()
        [2]
    """
    rows = predictions[predictions["image"].isin(images)]
    ordered = rows.sort_values(["probability", "image"], ascending=[False, True])
    surest: np.ndarray = ordered["image"].head(most).to_numpy()
    return surest


def _draw(images: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    if len(images) <= most:
        return images
    return np.sort(generator.choice(images, most, replace=False))


def drawn_rows(table: pd.DataFrame, split: str, most: int, seed: int) -> pd.DataFrame:
    """Draw at most ``most`` rows of a split without replacement; they keep the order of the index.

    Args:
        table: the index.
        split: ``train`` or ``validation``.
        most: largest number of rows.
        seed: seed of the draw.

    Raises:
        DataError: the index has no row of the split.

    Example:
        >>> index = pd.DataFrame({"image": [0, 1, 2], "split": ["train", "train", "validation"]})
        >>> drawn_rows(index, "train", 5, seed=0)["image"].tolist()
        [0, 1]
    """
    rows = table[table["split"] == split]
    if rows.empty:
        raise DataError(f"the dataset has no pictures in its split {split!r}, which a decoder needs")
    places = _draw(np.arange(len(rows)), most, generator(Stream.DECODER_ROWS, seed))
    return rows.iloc[places]


def first_of_labels(table: pd.DataFrame, most: int, labels: Sequence[str] | None = None) -> np.ndarray:
    """The first validation image of every label, then the second of every label, and so on: a few of everything.

    Args:
        table: the index.
        most: largest number of images.
        labels: names of labels to look at, in this order. If ``None``, all labels in the order of their numbers.

    Returns:
        Image ids ``[n]``.

    Raises:
        ConfigError: no validation picture has one of the labels.

    Example:
        >>> index = pd.DataFrame({"image": range(4), "label": [0, 0, 1, 1], "label_name": ["cat", "cat", "dog", "dog"],
        ...     "split": "validation"})
        >>> first_of_labels(index, 3).tolist(), first_of_labels(index, 3, ["dog"]).tolist()
        ([0, 2, 1], [2, 3])
    """
    rows = table[table["split"] == "validation"]
    all_labels = list(dict.fromkeys(rows.sort_values("label", kind="stable")["label_name"]))
    names = all_labels if labels is None else list(dict.fromkeys(labels))
    for label in names:
        if label not in all_labels:
            raise ConfigError(unknown_name("label", label, all_labels))
    rows = rows[rows["label_name"].isin(names)]
    turn = rows.groupby("label_name").cumcount().to_numpy()
    place = rows["label_name"].map({name: place for place, name in enumerate(names)}).to_numpy()
    return rows["image"].to_numpy(np.int64)[np.lexsort((place, turn))][:most]
