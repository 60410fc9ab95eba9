"""Subjects: the pictures to look at, and the class or the two classes of each map. Each map has one subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.errors import ConfigError
from conceptrast.contrast.pairs import named_pairs
from conceptrast.data.selection import first_of_labels, images_of_class
from conceptrast.models.model import Model
from conceptrast.saliency.targets import Target

TARGET_KINDS = ("predicted", "class", "difference")
"""The kinds of targets: the class that the model gives the picture, a named class, or one class and not another."""

_TYPES = {"image": "Int64", "kind": "str", "toward": "int64", "versus": "int64", "status": "str", "reason": "str"}


def subjects_of(
    table: pd.DataFrame, predictions: pd.DataFrame, model: Model, view: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """The subjects of a view.

    Without ``pairs``, the subjects are a few images of every label. Their class is the one that the model gives the
    image, or ``target``. With pairs of classes (A, B), the subjects are images that the model names A, each twice: for
    A, and for A and not B.

    Args:
        table: the index.
        predictions: image, predicted.
        model: the model, for its classes.
        view: ``images`` (largest number of images, of each pair where there are any), ``labels`` (``None``: all),
            ``target`` (``predicted``, or a class by name or index), ``pairs`` (may be empty).
        seed: the seed of the draw of a pair's images.

    Returns:
        Rows image, kind (one of :data:`TARGET_KINDS`), toward and versus (class indices, versus -1 without a second
        class), status, reason. If no picture is predicted as A, the pair has one row without an image and with status
        ``skipped``.

    Raises:
        ConfigError: a label or a class does not exist.

    Example:
        >>> from torch import nn
        >>> from conceptrast.models.model import Preprocess
        >>> model = Model("net", nn.Flatten(), Preprocess(None, 2, (0.5,) * 3, (0.5,) * 3), ["cat", "dog"])
        >>> index = pd.DataFrame({"image": [4], "label": [0], "label_name": ["cat"], "split": ["validation"]})
        >>> predictions = pd.DataFrame({"image": [4], "predicted": [1]})
        >>> view = {"images": 2, "labels": None, "target": "predicted", "pairs": [["dog", "cat"]]}
        >>> subjects_of(index, predictions, model, view, seed=0)[["image", "kind", "toward", "versus"]].values.tolist()
        [[4, 'class', 1, -1], [4, 'difference', 1, 0]]
    """
    if view["pairs"]:
        return _of_pairs(predictions, model, view["pairs"], most=view["images"], seed=seed)
    images = first_of_labels(table, view["images"], view["labels"])
    if view["target"] == "predicted":
        predicted = predictions.set_index("image")["predicted"]
        rows = [(image, "predicted", int(predicted[image]), -1, "ok", "") for image in images.tolist()]
    else:
        toward = model.class_index(view["target"])
        rows = [(image, "class", toward, -1, "ok", "") for image in images.tolist()]
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def picture_subjects(
    predictions: pd.DataFrame, model: Model, target: str | int | None = None, versus: str | int | None = None
) -> pd.DataFrame:
    """Make every predicted picture a subject of one class, or of one class and not another.

    Args:
        predictions: image, predicted.
        model: the model, for its classes.
        target: the class, by name or index; ``None`` means the predicted class of each picture.
        versus: the class that it is compared with, by name or index; ``None`` means no such class.

    Returns:
        Rows as :func:`subjects_of` gives them.

    Raises:
        ConfigError: a class does not exist, or it would be compared with itself.

    Example:
        >>> from torch import nn
        >>> from conceptrast.models.model import Preprocess
        >>> model = Model("net", nn.Flatten(), Preprocess(None, 2, (0.5,) * 3, (0.5,) * 3), ["cat", "dog"])
        >>> predictions = pd.DataFrame({"image": [4], "predicted": [1]})
        >>> picture_subjects(predictions, model, versus="cat")[["kind", "toward", "versus"]].values.tolist()
        [['difference', 1, 0]]
    """
    toward = predictions["predicted"] if target is None else model.class_index(target)
    against = -1 if versus is None else model.class_index(versus)
    kind = "difference" if versus is not None else "predicted" if target is None else "class"
    columns = {"image": predictions["image"], "kind": kind, "toward": toward, "versus": against}
    subjects = pd.DataFrame({**columns, "status": "ok", "reason": ""}).astype({**_TYPES, "image": "int64"})
    if (subjects["toward"] == subjects["versus"]).any():
        raise ConfigError(
            f"{model.class_names[against]!r} cannot be held against itself: it is what the map of a picture speaks for"
        )
    return subjects


def _of_pairs(
    predictions: pd.DataFrame, model: Model, pairs: Sequence[Sequence[str | int]], most: int, seed: int
) -> pd.DataFrame:
    # For each pair, the images of A, twice.
    rows: list[tuple[int | None, str, int, int, str, str]] = []
    for first, second in named_pairs(model, pairs):
        images = images_of_class(predictions, first, most, seed=seed, n_classes=len(model.class_names)).tolist()
        if not images:
            reason = f"no picture is predicted as {model.class_names[first]}"
            rows.append((None, "difference", first, second, "skipped", reason))
            continue
        rows += [(image, "class", first, -1, "ok", "") for image in images]
        rows += [(image, "difference", first, second, "ok", "") for image in images]
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES).drop_duplicates(ignore_index=True)


def usable(subjects: pd.DataFrame) -> pd.DataFrame:
    """The subjects that a map is made for, numbered from 0, image ids as integers.

    Example:
        >>> usable(pd.DataFrame({"image": [None, 4], "status": ["skipped", "ok"]}))["image"].tolist()
        [4]
    """
    return subjects[subjects["status"] == "ok"].reset_index(drop=True).astype({"image": "int64"})


def skip_subjects(subjects: pd.DataFrame, empty: np.ndarray, layer: str) -> pd.DataFrame:
    """Mark some subjects as skipped, because a layer gives only zeros for their pictures.

    Args:
        subjects: as :func:`subjects_of` gives them.
        empty: ``[n]`` bool, one value for each of the :func:`usable` subjects.
        layer: the name of the layer.

    Example:
        >>> rows = pd.DataFrame({"image": [4, 5], "status": "ok", "reason": ""})
        >>> skip_subjects(rows, np.array([False, True]), "relu")["reason"].tolist()
        ['', 'relu gives activations that are zero throughout for image 5']
    """
    marked = subjects.copy()
    places = marked.index[marked["status"] == "ok"][empty]
    reasons = [
        f"{layer} gives activations that are zero throughout for image {marked.loc[place, 'image']}" for place in places
    ]
    marked.loc[places, "status"] = "skipped"
    marked.loc[places, "reason"] = reasons
    return marked


def in_first_images(subjects: pd.DataFrame, most: int) -> np.ndarray:
    """Which usable subjects belong to the first ``most`` images, or to the first ``most`` of each pair of classes.

    Returns:
        ``[n]`` bool.

    Example:
        >>> rows = {"kind": ["predicted"] * 3, "toward": [4, 5, 6], "versus": -1}
        >>> in_first_images(pd.DataFrame(rows), 2).tolist()
        [True, True, False]
    """
    # Images whose target is the predicted class are one group, whatever the class is.
    toward = subjects["toward"].where(subjects["kind"] != "predicted", -1)
    first: np.ndarray = (subjects.groupby(["kind", toward, "versus"]).cumcount() < most).to_numpy()
    return first


def targets_of(subjects: pd.DataFrame) -> list[Target]:
    """The target whose score the map of each subject differentiates.

    Example:
        >>> targets_of(pd.DataFrame({"toward": [1, 1], "versus": [-1, 0]}))
        [Target(toward=1, versus=None), Target(toward=1, versus=0)]
    """
    return [
        Target(toward, None if versus < 0 else versus)
        for toward, versus in zip(subjects["toward"].tolist(), subjects["versus"].tolist(), strict=True)
    ]


def with_picture_facts(
    subjects: pd.DataFrame, predictions: pd.DataFrame, table: pd.DataFrame, class_names: Sequence[str]
) -> pd.DataFrame:
    """Add the known facts about their pictures to the subjects.

    Args:
        subjects: as :func:`subjects_of` gives them.
        predictions: image, predicted, probability.
        table: the index.
        class_names: the names of the model's classes.

    Returns:
        Subjects with toward_name, versus_name (empty without a second class), label_name, path, predicted_name and
        predicted_probability.

    Example:
        >>> rows = pd.DataFrame({"image": [4], "kind": ["difference"], "toward": [1], "versus": [0]})
        >>> predictions = pd.DataFrame({"image": [4], "predicted": [0], "probability": [0.9]})
        >>> index = pd.DataFrame({"image": [4], "path": ["a.jpg"], "label_name": ["dog"]})
        >>> named = with_picture_facts(rows, predictions, index, ["cat", "dog"])
        >>> named[["toward_name", "versus_name", "predicted_name"]].values.tolist()
        [['dog', 'cat', 'cat']]
    """
    names = np.array(class_names)
    facts = pd.DataFrame(
        {
            "image": predictions["image"],
            "predicted_probability": predictions["probability"],
            "predicted_name": names[predictions["predicted"]],
        }
    )
    of_pictures = subjects.merge(table[["image", "path", "label_name"]], on="image", how="left")
    of_pictures = of_pictures.merge(facts, on="image", how="left")
    versus_names = [names[target] if target >= 0 else "" for target in subjects["versus"]]
    return of_pictures.assign(toward_name=names[subjects["toward"]], versus_name=versus_names)
