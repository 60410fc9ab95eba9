"""What the questions of a study rest on: predictions, activations and attributions, computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.api.activation_cache import ActivationCache, KeptPictures
from conceptrast.api.options import StudyOptions
from conceptrast.attribution.images import attribute_images
from conceptrast.base.errors import ConceptrastError, ConfigError
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.data.selection import images_of_class
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import predict
from conceptrast.models.layers import last_spatial_layer
from conceptrast.models.model import Model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

IMAGES_PER_CLASS = 60
"""Largest number of pictures of a class that are explained or contrasted, unless the study says otherwise."""

Attributions = dict[str, np.ndarray]


class PictureSet:
    """A model and the pictures of a study, with what the model says of them.

    Args:
        model: the model that looks at them.
        images: the pictures; ``None`` if the study has none.
        options: precision and batches.
    """

    def __init__(self, model: Model, images: AnyPictures | None, options: StudyOptions) -> None:
        self.model = model
        self.images = images
        self.options = options

    @cached_property
    def pictures(self) -> KeptPictures:
        """The pictures as the model sees them. Their files are checked at the first use.

        Raises:
            ConfigError: the study has no pictures.
            DataError: no picture can be used.
        """
        if self.images is None:
            raise ConfigError(
                "this study has no pictures: give a folder, a list of files or of PIL images as the second argument "
                "of Study"
            )
        dataset, table = as_dataset(self.images)
        return KeptPictures(
            dataset=dataset,
            table=table,
            model=self.model,
            batch_size=self.options.batch_size,
            cache=ActivationCache(self.options.cache_bytes),
        )

    @cached_property
    def ids(self) -> np.ndarray:
        """Ids of all pictures ``[N]``."""
        return self.pictures.table["image"].to_numpy()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What the model says of all pictures: image, predicted, probability."""
        return predict(self.model, self.pictures.of(self.ids, "predicting"), self.options.precision)

    @cached_property
    def predicted(self) -> dict[int, int]:
        """Predicted class by picture."""
        columns = (self.predictions[name].tolist() for name in ("image", "predicted"))
        return dict(zip(*columns, strict=True))


class Evidence:
    """Activations and attributions of a study's pictures at one layer.

    Args:
        picture_set: model, pictures and predictions; shared by the layers of a study.
        layer: the layer where the model is looked into; the last one that has positions if ``None``.

    Raises:
        LayerError: there is no such layer, or another tensor goes around it.
    """

    def __init__(self, picture_set: PictureSet, layer: str | None) -> None:
        self.picture_set = picture_set
        self.model = picture_set.model
        self.options = picture_set.options
        self.layer = last_spatial_layer(self.model) if layer is None else layer
        self.split = SplitModel(self.model, self.layer)
        self._attributions: dict[tuple[int, bytes], Attributions] = {}
        self._tables: dict[tuple[Hashable, ...], pd.DataFrame] = {}

    @property
    def pictures(self) -> KeptPictures:
        """The study's pictures."""
        return self.picture_set.pictures

    @property
    def predictions(self) -> pd.DataFrame:
        """What the model says of them."""
        return self.picture_set.predictions

    @property
    def source(self) -> str:
        """Model and layer, in words."""
        return f"{self.model.name} at {self.layer}"

    def few_pictures(self, images: AnyPictures | None) -> Pictures:
        """Other pictures that are asked about; those of the study if ``None``."""
        if images is None:
            return self.pictures
        dataset, table = as_dataset(images)
        return Pictures(dataset=dataset, table=table, model=self.model, batch_size=self.options.batch_size)

    def predictions_of(self, pictures: Pictures) -> pd.DataFrame:
        """What the model says of some pictures, in float32; kept where they are the study's."""
        if pictures is self.picture_set.__dict__.get("pictures") and self.options.precision == "float32":
            return self.predictions
        return predict(self.model, pictures.of(pictures.table["image"].to_numpy()))

    def class_images(self, target: int, default: int = IMAGES_PER_CLASS) -> np.ndarray:
        """Ids of the pictures that the model predicts as a class.

        Args:
            target: class index.
            default: largest number of them, unless the study's options say one.

        Raises:
            ConceptrastError: there is none; the message says which classes are predicted.
        """
        most = default if self.options.images_per_class is None else self.options.images_per_class
        names = self.model.class_names
        images = images_of_class(self.predictions, target, most=most, seed=self.options.seed, n_classes=len(names))
        if len(images):
            return images
        # What the pictures are predicted as instead.
        counts = self.predictions["predicted"].value_counts().sort_index()
        often = counts.sort_values(ascending=False, kind="stable").head(5)
        frequent = zip(often.index.tolist(), often.tolist(), strict=True)
        listed = ", ".join(f"{names[index]} ({count})" for index, count in frequent)
        raise ConceptrastError(
            f"none of {len(self.predictions)} pictures is predicted as {names[target]!r}; most frequent: {listed}"
        )

    def activations(self, images: np.ndarray, what: str) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Batches of ids and activations ``[n, C, h, w]`` of some pictures; ``what`` is being done with them."""
        return activations_of(self.model, self.split, self.pictures.of(images, what), self.options.precision)

    def all_activations(self, what: str) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Those of all pictures."""
        return self.activations(self.picture_set.ids, what)

    def attribution(self, images: np.ndarray, target: int) -> Attributions:
        """Attribution of pictures towards a class, as :func:`~conceptrast.attribution.images.attribute_images` gives.

        Args:
            images: ids ``[n]``.
            target: class index.
        """
        key = (target, images.tobytes())
        if key not in self._attributions:
            self._attributions[key] = attribute_images(
                self.model,
                self.layer,
                self.pictures.of(images, f"attributing {self.model.class_names[target]}"),
                dict.fromkeys(images.tolist(), target),
                method=self.options.attribution,
                samples=self.options.samples,
                noise=self.options.noise,
                seed=self.options.seed,
                precision=self.options.precision,
                batch_size=self.options.batch_size,
            )
        return self._attributions[key]

    def table(self, key: tuple[Hashable, ...], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A small table that several questions need: computed once, and kept.

        Args:
            key: what it depends on.
            compute: makes it.
        """
        if key not in self._tables:
            self._tables[key] = compute()
        return self._tables[key].copy()

    def joint_attribution(self, images: dict[int, np.ndarray]) -> Attributions:
        """Attribution of the pictures of several classes, each towards its own, class after class."""
        parts: Sequence[Attributions] = [self.attribution(ids, target) for target, ids in images.items()]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
