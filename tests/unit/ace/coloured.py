"""Pictures of coloured squares and a network that names their colours, for tests of ACE."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import nn

from conceptrast.models.model import Preprocess

COLOURS = ["red", "green", "blue"]
INPUT = Preprocess(16, 16, (0.2,) * 3, (0.25,) * 3)


def colour_network() -> nn.Sequential:
    """Names the colour that there is most of; 4×4 positions."""
    return nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def coloured(n: int, *, constant: int | None = None) -> list[Image.Image]:
    """Dark noise with a square that is red in even pictures and green in odd ones; one of them may be all red."""
    draw = np.random.default_rng(0)
    pictures = []
    for number in range(n):
        picture = draw.integers(0, 60, (16, 16, 3), np.uint8)
        picture[4:12, 4:12, number % 2] = 255
        if number == constant:
            picture[:] = (200, 0, 0)
        pictures.append(Image.fromarray(picture))
    return pictures
