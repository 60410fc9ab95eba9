"""What a concept looks like, on a toy whose concept is a red block and whose decoder is exact."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.counterfactual.concept_pictures import (
    ConceptPicture,
    background,
    concept_picture,
    read,
    reading_summary,
    vector_concept,
)
from conceptrast.counterfactual.swap import Corner, Windows
from conceptrast.models.model import Model, Preprocess

from .toys import subject_of_toy

RED = np.array([1.0, 0.0, 0.0])
CORNERS = [Corner(0, 0), Corner(0, 2), Corner(2, 0)]


def with_block(corner: Corner, channel: int) -> Tensor:
    """Activations of a black picture with a block of one colour."""
    activations = torch.zeros(3, 4, 4)
    activations[channel, corner.top : corner.top + 2, corner.left : corner.left + 2] = 10.0
    return activations


@pytest.fixture
def red_block() -> ConceptPicture:
    """Pictures of the class have a red block somewhere; of two other pictures, one is red and one has a green block."""
    layer, _ = subject_of_toy()
    activations = torch.stack([with_block(corner, channel=0) for corner in CORNERS])
    red_all_over = torch.zeros(3, 4, 4)
    red_all_over[0] = 10.0
    others = torch.stack([red_all_over, with_block(Corner(0, 0), channel=1)])
    views = (25.5 * nn.functional.interpolate(activations, scale_factor=2)).to(torch.uint8)
    concept = vector_concept("ace", "1", RED, activations=activations, windows=Windows(2, 2))
    return concept_picture(layer, concept, activations, views=views, others=others)


def test_a_concept_lies_where_it_is_strongest(red_block: ConceptPicture) -> None:
    assert [corner for corner, _ in red_block.blocks] == CORNERS
    assert red_block.examples.shape == (3, 4, 4, 3)
    assert (red_block.examples == [255, 0, 0]).all()


def test_alone_it_lies_in_the_middle_of_an_empty_picture(red_block: ConceptPicture) -> None:
    expected = np.zeros((8, 8, 3), np.uint8)
    expected[2:6, 2:6, 0] = 255
    assert np.array_equal(red_block.alone, expected)
    assert (red_block.patch == [255, 0, 0]).all()
    assert np.allclose(red_block.added, 85)


def test_it_is_put_into_a_picture_that_lacks_it_and_replaces_nothing_there(red_block: ConceptPicture) -> None:
    assert red_block.host == 1
    assert torch.equal(red_block.edit.change, with_block(Corner(0, 2), channel=0))


def test_the_background_is_what_most_pictures_have() -> None:
    activations = torch.stack([with_block(corner, channel=0) for corner in CORNERS])
    assert not background(activations).any()


class Halves(nn.Module):
    """Logits are the means of the left and of the right half."""

    def forward(self, images: Tensor) -> Tensor:
        """From ``[N, 3, H, W]`` to ``[N, 2]``."""
        middle = images.shape[3] // 2
        return torch.stack([images[..., :middle].mean(dim=(1, 2, 3)), images[..., middle:].mean(dim=(1, 2, 3))], dim=1)


class Threshold(nn.Module):
    """Says ``dark`` unless a pixel is white."""

    def forward(self, images: Tensor) -> Tensor:
        """From ``[N, 3, H, W]`` to ``[N, 2]``."""
        white = images.amax(dim=(1, 2, 3))
        return torch.stack([torch.full_like(white, 0.9), white], dim=1)


@pytest.mark.parametrize(
    ("network", "names", "answer"), [(Halves(), ["left", "right"], "right"), (Threshold(), ["dark", "white"], "white")]
)
def test_a_reader_sees_what_was_added_from_black_to_white(network: nn.Module, names: list[str], answer: str) -> None:
    reader = Model("reader", network, Preprocess(None, 8, (0.0,) * 3, (1.0,) * 3), names)
    added = np.zeros((4, 4))
    added[:, 2:] = 3.0
    assert read(reader, added) == answer


def test_a_reading_counts_concepts_that_mostly_show_one_thing_that_the_reader_knows() -> None:
    rows = pd.DataFrame(
        {
            "kind": "component",
            "shows": ["3", "3", "7", "portrait", "8"],
            "share": [0.9, 0.5, 0.8, 1.0, 0.4],
            "readable": [True, True, True, False, True],
            "read": [3, 2, 7, 7, 8],
        }
    )
    [row] = reading_summary(rows).to_dict("records")
    assert (row["n_concepts"], row["right"], row["chance"]) == (3, pytest.approx(2 / 3), pytest.approx(2 / 3))
