"""The body of a torchvision detector as a plain classifier.

Every detector here looks at pictures through a ResNet-50 whose stages feed a feature pyramid. That body is the same
network as torchvision's ``resnet50`` without its ``fc``, with frozen batch norms in place of trained ones. The names
and shapes of the weights agree, and so do the activations. We keep the detector's body and its preprocessing. The
``fc`` is new and has to be fitted (:mod:`conceptrast.models.head`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.family import Family
from conceptrast.models.model import Preprocess

#: Short side to which torchvision's detectors resize every picture they look at.
_SHORT_SIDE = 800

_OPTIONS = ("norm_eps",)


class DetectorBody(Family):
    """ResNet-50 with the weights of ``backbone.body`` of a detector, and a fresh ``fc``.

    Args:
        name: the detector's name in torchvision.
        weights: always ``None``: the weights come from a part of a file.
        options: ``norm_eps``, which batch norms add to the variance. A checkpoint does not store it. It is 1e-5 for
            detectors as torchvision builds them, and 0 if training started from torchvision's weights ``COCO_V1``.

    Raises:
        ConfigError: an option does not exist, or ``norm_eps`` is negative.

    Example:
        >>> family = DetectorBody("fasterrcnn_resnet50_fpn", options={"norm_eps": 0})
        >>> family.network(2, (800, 800)).bn1.eps, family.preprocess(None).size
        (0.0, (800, 800))
    """

    default_classes = None

    def __init__(self, name: str, weights: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, weights, options)
        for key in self.options:
            if key not in _OPTIONS:
                raise ConfigError(unknown_name(f"option of {name}", key, _OPTIONS))
        eps = self.options.get("norm_eps", 1e-5)
        if isinstance(eps, bool) or not isinstance(eps, int | float) or eps < 0:
            raise ConfigError(f"norm_eps of {name} is a number, 0 or more; got {eps!r}")
        self.norm_eps = float(eps)

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:  # noqa: ARG002 - takes any size
        """A fresh ResNet-50."""
        norm = partial(nn.BatchNorm2d, eps=self.norm_eps)
        return torchvision.models.resnet50(weights=None, num_classes=n_classes, norm_layer=norm)

    def preprocess(self, input_size: int | None) -> Preprocess:
        """The detector's preprocessing: the short side is resized to 800; ImageNet's mean and std.

        A classifier sees a square, so the centre is cropped. The detector's limit of the long side (1333) then has no
        effect.
        """
        size = input_size or _SHORT_SIDE
        return Preprocess(size, size, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
