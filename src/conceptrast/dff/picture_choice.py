"""The choice of pictures to factorize: some of every label, or some that the model names as a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from conceptrast.base.names import short
from conceptrast.data.selection import first_of_labels, images_of_class
from conceptrast.models.pictures import Pictures


def labelled_pictures(pictures: Pictures, most: int, labels: Sequence[str] | None = None) -> tuple[np.ndarray, str]:
    """A few validation pictures of every label, whatever the model says of them.

    Args:
        pictures: images and model.
        most: largest number of images.
        labels: the names of the labels to use; ``None`` means all.

    Returns:
        Image ids ``[n]`` as :func:`~conceptrast.data.selection.first_of_labels` orders them, and what they are, in
        words.

    Raises:
        ConfigError: a label that no validation picture has.
    """
    what = "validation pictures" if labels is None else f"pictures of {', '.join(map(short, labels))}"
    return first_of_labels(pictures.table, most, labels), what


def predicted_pictures(
    pictures: Pictures, predictions: pd.DataFrame, target: str | int, most: int, seed: int = 0
) -> tuple[np.ndarray, str]:
    """Pictures that the model names as a class, whatever their label.

    Args:
        pictures: images and model.
        predictions: columns image, predicted.
        target: the class, by name or index.
        most: largest number of images, drawn by :func:`~conceptrast.data.selection.images_of_class`.
        seed: the seed of the draw.

    Returns:
        The image ids ``[n]``, and what the images are, in words. There are no ids if the model names no picture so.

    Raises:
        ConfigError: there is no such class.
    """
    model = pictures.model
    index = model.class_index(target)
    images = images_of_class(predictions, index, most, seed=seed, n_classes=len(model.class_names))
    return images, f"pictures predicted as {short(model.class_names[index])}"
