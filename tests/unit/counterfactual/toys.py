"""A classifier and a decoder whose answers are known: colours, and pictures made of blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import Decoder
from conceptrast.counterfactual.edits import Edit, uniform
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel


class Blocks(Decoder):
    """Exact for pictures of 2×2 blocks of one colour: the inverse of average pooling."""

    def __init__(self) -> None:
        super().__init__("0", (3, 4, 4), (8, 8), width=16)

    def forward(self, activations: Tensor) -> Tensor:
        """Every position becomes a block; activations are in units of the normalised picture."""
        return nn.functional.interpolate(activations / 10, scale_factor=2).clamp(0, 1)


def colours() -> Model:
    """Names the colour that there is most of; logits are ten times the mean colours."""
    network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Model("colours", network, Preprocess(None, 8, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])


def toy() -> tuple[Model, SplitModel, Blocks, Tensor]:
    """Model, cut before its ReLU, decoder, and activations of two pictures: plain red, plain green."""
    model = colours()
    activations = torch.zeros(2, 3, 4, 4)
    activations[0, 0] = 5.0
    activations[1, 1] = 5.0
    return model, SplitModel(model, "0"), Blocks().eval(), activations


TO_BLUE = torch.tensor([-1.0, 0.0, 1.0])


def uniform_edits(activations: Tensor, vector: Tensor, limit: float = 1.0) -> list[Edit]:
    """For each picture a vector at all positions."""
    return [Edit("uniform", "hyperplane", "towards", "0", uniform(values, vector, limit)) for values in activations]


def blue(activations: Tensor, limit: float = 1.0) -> list[Edit]:
    """Less red and more blue at all positions."""
    return uniform_edits(activations, TO_BLUE, limit)


def subject_of_toy(judge: Model | None = None) -> tuple[DecodableLayer, Tensor]:
    """The layer with its decoder, and activations of two pictures."""
    model, split, decoder, activations = toy()
    return DecodableLayer(model, split, decoder, judge), activations


class Largest(nn.Module):
    """Logits are ten times the largest value of each channel: one cell decides the class."""

    def forward(self, activations: Tensor) -> Tensor:
        """From ``[N, C, h, w]`` to ``[N, C]``."""
        return 10 * activations.amax(dim=(2, 3))


def one_cell() -> SplitModel:
    """A model whose class is the channel with the largest cell, cut before its last layer."""
    network = nn.Sequential(nn.ReLU(), Largest())
    return SplitModel(Model("one cell", network, Preprocess(None, 8, (0.0,) * 3, (0.1,) * 3), ["a", "b", "c"]), "0")
