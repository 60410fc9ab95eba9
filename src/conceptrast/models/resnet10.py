"""ResNet with one narrow basic block in each stage. It is so small that the workflow can train it on two cores.

A 96×96 picture gives 6×6 positions at ``layer3`` and 3×3 at ``layer4``.
"""

from __future__ import annotations

from torch import nn

from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.family import Family
from conceptrast.models.model import Preprocess

resnet = torchvision.models.resnet

CHANNELS = (32, 64, 128, 256)
"""Channels of the four stages, half as many as in torchvision's other ResNets."""


class NarrowResNet(torchvision.models.ResNet):  # type: ignore[name-defined]
    """torchvision's ResNet (He et al. 2016) with blocks [1, 1, 1, 1] and half as many channels.

    Args:
        n_classes: number of classes.

    Example:
        >>> network = NarrowResNet(10)
        >>> network.layer4[0].conv2.out_channels, network.fc.out_features
        (256, 10)
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__(resnet.BasicBlock, [1, 1, 1, 1], num_classes=n_classes)
        # The layers whose number of channels torchvision does not let one choose.
        self.inplanes = CHANNELS[0]
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.inplanes)
        for number, channels in enumerate(CHANNELS, start=1):
            stage = self._make_layer(resnet.BasicBlock, channels, 1, stride=1 if number == 1 else 2)
            setattr(self, f"layer{number}", stage)
        self.fc = nn.Linear(CHANNELS[-1], n_classes)
        # The same random start as torchvision's.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


class ResNet10(Family):
    """The narrow ResNet; pictures have 96 pixels a side by default."""

    default_classes = None

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:  # noqa: ARG002 - takes any size
        """A fresh network."""
        return NarrowResNet(n_classes)

    def preprocess(self, input_size: int | None) -> Preprocess:
        """Pictures are resized and cropped to the input size; values lie in [-2, 2]."""
        size = input_size or 96
        return Preprocess(size, size, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
