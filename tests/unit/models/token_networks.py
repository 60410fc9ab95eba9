"""Small networks whose layers are tokens or channels last, with answers that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

PATCH = 8
"""Side of the patches in pixels."""
SIDE = 32
"""Side of the pictures: 4×4 patches."""
PATCHES = 16


class Patches(nn.Module):
    """Mean colours of the patches as tokens ``[N, T, 3]``, in reading order."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(PATCH)

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(images).flatten(2).transpose(1, 2)


class Gathering(nn.Module):
    """The first token takes in the mean of the others, which stay as they are."""

    def __init__(self, first: int = 1) -> None:
        super().__init__()
        self.first = first

    def forward(self, tokens: Tensor) -> Tensor:
        mean = tokens[:, self.first :].mean(1, keepdim=True)
        return torch.cat([tokens[:, : self.first] + mean, tokens[:, self.first :]], dim=1)


class ClassTokenNetwork(nn.Module):
    """Two blocks, each of which adds the mean colour to the class token; then a head that reads the class token.

    After ``first`` the class token holds the mean colour once, after ``second`` twice. So half of a logit comes through
    the patches of ``first``, and half through its class token; nothing comes through the patches of ``second``.
    """

    def __init__(self, class_tokens: int = 1, classes: int = 3) -> None:
        super().__init__()
        self.patches = Patches()
        self.class_token = nn.Parameter(torch.zeros(1, class_tokens, 3))
        self.first = Gathering(class_tokens)
        self.second = Gathering(class_tokens)
        self.head = nn.Linear(3, classes)
        self.head.weight.data = torch.eye(3)[:classes]
        self.head.bias.data = torch.zeros(classes)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patches(images)
        tokens = torch.cat([self.class_token.expand(patches.size(0), -1, -1), patches], dim=1)
        return self.head(self.second(self.first(tokens))[:, 0])


class Changed(nn.Module):
    """A layer ``change`` that gives whatever a function makes of 4×4 maps, and a head that takes it as it is.

    Args:
        change: of maps ``[N, 3, 4, 4]``; tracing keeps it whole.
        outputs: numbers for each image after it.
    """

    def __init__(self, change: Callable[[Tensor], Tensor], outputs: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(PATCH)
        self.change = Function(change)
        self.head = nn.Linear(outputs, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.change(self.pool(images)).reshape(images.size(0), -1))


class Function(nn.Module):
    """Applies a function; to torch.fx it is one of torch's own modules, of which nothing is known."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values)


Function.__module__ = "torch.nn.of_the_tests"
