"""Pictures with a red and a green square at known places and a network that names colours, for tests of maps."""

from __future__ import annotations

import pandas as pd
import torch
from PIL import Image
from torch import nn

from conceptrast.data.loose_pictures import OpenPictures
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

SIDE = 16
CORNERS = ((0, 0), (0, 8), (8, 0), (8, 8))


class Colours(nn.Module):
    """The logit of a colour is how much of it there is; the layer has 4×4 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(4)
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(3, 3, 1, bias=False)
        self.head.weight.data = 10 * torch.eye(3)[:, :, None, None]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.cells(images))).mean((2, 3))


def squares(batch_size: int = 2) -> Pictures:
    """Three pictures with a red and a green square at known places, and a black one."""
    drawn = []
    for red, green in ((0, 1), (2, 3), (3, 0)):
        image = Image.new("RGB", (SIDE, SIDE))
        for colour, at in (("red", red), ("lime", green)):
            top, left = CORNERS[at]
            image.paste(colour, (left, top, left + 8, top + 8))
        drawn.append(image)
    dataset = OpenPictures([*drawn, Image.new("RGB", (SIDE, SIDE))])
    model = Model("colours", Colours(), Preprocess(SIDE, SIDE, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
    return Pictures(dataset, dataset.build_index().table, model, batch_size)


def subjects(rows: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "kind", "toward", "versus"]).assign(status="ok", reason="")


PAIRED = subjects([(2, "class", 0, -1), (0, "class", 0, -1), (2, "difference", 0, 1), (0, "difference", 0, 1)])


def split_of(pictures: Pictures) -> SplitModel:
    return SplitModel(pictures.model, "relu")
