"""ResNet with one basic block in each stage. It is so small that the workflow can train it on two cores.

A 96×96 picture gives 6×6 positions at ``layer3`` and 3×3 at ``layer4``.
"""

from __future__ import annotations

from torch import nn

from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.family import Family
from conceptrast.models.model import Preprocess


class ResNet10(Family):
    """torchvision's ResNet (He et al. 2016) with blocks [1, 1, 1, 1]; pictures have 96 pixels a side by default."""

    default_classes = None

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:  # noqa: ARG002 - takes any size
        """A fresh network."""
        resnet = torchvision.models.resnet
        return resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=n_classes)

    def preprocess(self, input_size: int | None) -> Preprocess:
        """Pictures are resized and cropped to the input size; values lie in [-2, 2]."""
        size = input_size or 96
        return Preprocess(size, size, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
