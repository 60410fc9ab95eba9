"""All classifiers of torchvision by their names, with the preprocessing that their published weights need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from conceptrast.base.errors import ModelError, unknown_name
from conceptrast.base.files import file_md5
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.family import Family, Published
from conceptrast.models.model import Preprocess

#: torchvision sets this only for published weights, which were trained with other means and standard deviations.
_TRANSFORMS_INPUT = {"googlenet", "inception_v3"}


def imagenet_class_names() -> list[str]:
    """The 1000 names of ImageNet's classes, by index.

    Example:
        >>> names = imagenet_class_names()
        >>> len(names), names[281]
        (1000, 'tabby')
    """
    return list(torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def architectures() -> list[str]:
    """Names of torchvision's classifiers.

    Example:
        >>> "resnet50" in architectures(), "quantized_resnet50" in architectures()
        (True, False)
    """
    return list(torchvision.models.list_models(module=torchvision.models))


class TorchvisionFamily(Family):
    """One of torchvision's classifiers.

    Raises:
        ModelError: there is no such classifier; the message lists the nearest names.
    """

    def __init__(self, name: str, weights: str | None = None) -> None:
        if name not in architectures():
            from conceptrast.models import ARCHITECTURES

            raise ModelError(unknown_name("model", name, [*ARCHITECTURES, *architectures()]))
        super().__init__(name, weights)

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:
        """A fresh network, with the input transform that published weights need."""
        options: dict[str, Any] = {"weights": None, "num_classes": n_classes}
        if self.name in _TRANSFORMS_INPUT:
            options |= {"transform_input": self.weights is not None, "init_weights": self.weights is None}
        if self.name.startswith("vit_"):
            options["image_size"] = size[0]
        return torchvision.models.get_model(self.name, **options)

    def preprocess(self, input_size: int | None) -> Preprocess:
        """The resizing, crop, mean, std and interpolation of the weights' transforms."""
        transforms = self._entry().transforms()
        resize = transforms.resize_size[0]
        crop = transforms.crop_size[0]
        if input_size is not None:
            resize = crop = input_size
        return Preprocess(
            resize=resize,
            crop=crop,
            mean=tuple(transforms.mean),
            std=tuple(transforms.std),
            interpolation=transforms.interpolation.value,
        )

    def default_class_names(self) -> list[str]:
        """The names that are stored with the published weights."""
        return list(self._entry().meta["categories"])

    def published_names(self) -> list[str]:
        """Names of torchvision's weights enum for this architecture."""
        return [*torchvision.models.get_model_weights(self.name).__members__, "DEFAULT"]

    def published(self) -> Published:
        """Weights from torch's cache; if they are not there, they are downloaded to it.

        Raises:
            ModelError: they are not in the cache and cannot be downloaded.
        """
        entry = self._entry()
        try:
            state = entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:
            raise ModelError(
                f"weights {self.weights} of {self.name} are not at {_cached(entry)} and cannot be downloaded "
                f"({error}): fetch them elsewhere and give the .pth file as `weights`"
            ) from error
        return Published(state, list(entry.meta["categories"]), file_md5(_cached(entry)))

    def _entry(self) -> Any:
        """The enum's entry. Without a name it is the first, which is the original recipe."""
        enum = torchvision.models.get_model_weights(self.name)
        return next(iter(enum)) if self.weights is None else enum[self.weights]


def _cached(entry: Any) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
