"""Candidates are exchanged in the combined image while that makes it more similar, and by similarity alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.concepts.class_prototypes import Sought
from conceptrast.concepts.combined_image import assemble, chosen_patches, combined_patches
from conceptrast.concepts.exchange import class_candidates, exchanged
from conceptrast.concepts.recipes import Recipe
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel

DISTINCT = Recipe("ours", 2, kernel=1, stride=1, window=0.5, layout="grid", candidates=2, distinct=True)


def candidates(images: list[int], similarity: list[float]) -> pd.DataFrame:
    """Two candidates for each of two components."""
    return pd.DataFrame({"component": [0, 0, 1, 1], "rank": [0, 1, 0, 1], "image": images, "similarity": similarity})


def patches(*shades: int) -> list[Tensor]:
    return [torch.full((3, 1, 1), shade, dtype=torch.uint8) for shade in shades]


def grey(pictures: list[Tensor]) -> np.ndarray:
    """How near the mean of a picture is to grey: two patches together can be what neither is alone."""
    return np.array([1 - abs(float(picture.float().mean()) - 100) / 255 for picture in pictures])


def test_patches_are_taken_that_are_right_together() -> None:
    table = candidates([1, 2, 3, 4], [0.5, 0.5, 0.5, 0.5])
    # White with black is grey. Grey with black, which both are more similar alone, is darker.
    crops = patches(100, 200, 0, 0)
    assert exchanged(table, crops, DISTINCT, grey) == [1, 2]


def test_a_patch_of_low_similarity_is_not_taken_for_a_little_more() -> None:
    crops = patches(110, 100, 100, 100)
    assert exchanged(candidates([1, 2, 3, 4], [0.5] * 4), crops, DISTINCT, grey)[0] == 1
    assert exchanged(candidates([1, 2, 3, 4], [0.9, 0.5, 0.5, 0.5]), crops, DISTINCT, grey)[0] == 0


def test_images_stay_distinct_and_the_layout_is_the_recipes() -> None:
    seen: list[torch.Size] = []

    def bright(pictures: list[Tensor]) -> np.ndarray:
        seen.extend(picture.shape for picture in pictures)
        return np.array([float(picture.float().mean()) for picture in pictures])

    # The brightest candidate of component 0 lies in the image that component 1 has.
    table = candidates([1, 3, 3, 3], [0.5, 0.4, 0.6, 0.3])
    assert exchanged(table, patches(0, 250, 10, 20), DISTINCT, bright) == [0, 3]
    assert set(seen) == {torch.Size([3, 2, 1])}
    anywhere = Recipe("ours", 2, layout="grid", candidates=2)
    assert exchanged(table, patches(0, 250, 10, 20), anywhere, bright) == [1, 3]


def test_a_component_without_an_image_of_its_own_takes_no_part() -> None:
    table = candidates([1, 1, 1, 1], [0.5, 0.4, 0.6, 0.3])
    assert exchanged(table, patches(0, 0, 0, 0), DISTINCT, grey) == [2]


class Shades:
    """Pictures of 2×2 pixels in one colour: red and green of ``SHADES``."""

    SHADES = ((250, 0), (125, 125), (0, 250), (120, 0), (0, 120))
    batch_size = 3

    def __init__(self, model: Model) -> None:
        self.model = model

    def of(self, images: np.ndarray, what: str = ""):
        for image in images.tolist():
            view = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
            view[0, 0], view[0, 1] = self.SHADES[image]
            yield np.array([image]), view


@pytest.mark.parametrize("after", [nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Linear(3, 3))])
def test_taken_patches_come_first_and_nothing_after_the_layer_counts(after: nn.Module) -> None:
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), after)
    model = Model("shades", network.eval(), Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
    prototypes = pd.DataFrame(
        {
            "class": 7,
            "recipe": "ours",
            "component": [0, 0, 1, 1],
            "selection": "all",
            "rank": [0, 1, 0, 1],
            "image": [0, 1, 2, 4],
            "top": 0,
            "left": 0,
            "height": 2,
            "width": 2,
            "similarity": np.array([0.9, 0.9, 0.9, 0.9], np.float32),
        }
    )
    red_and_green = np.array([[[1.0, 0, 0], [0, 1.0, 0]]])

    def ranked(by_channel: bool) -> pd.DataFrame:
        vectors = {DISTINCT: Sought(red_and_green, by_channel=np.array([by_channel]))}
        pictures = Shades(model)
        return class_candidates(prototypes, np.array([7]), vectors, pictures=pictures, split=SplitModel(model, "0"))

    # Red 250 with green 250 is as red as green; with green 120 it is not. Alone, both greens are equally green.
    table = ranked(by_channel=True)
    assert table["rank"].tolist() == [0, 1, 0, 1]
    assert combined_patches(table, DISTINCT)["image"].tolist() == [0, 2]
    # Positions were weighted: the most similar patches are combined.
    alone = ranked(by_channel=False)
    assert combined_patches(alone, DISTINCT)["image"].tolist() == chosen_patches(alone, distinct=True)["image"].tolist()


def test_what_is_compared_is_the_combined_image() -> None:
    crops = patches(1, 2, 3, 4)
    compared: list[Tensor] = []

    def remember(pictures: list[Tensor]) -> np.ndarray:
        compared.extend(pictures)
        return np.zeros(len(pictures))

    assert exchanged(candidates([1, 2, 3, 4], [0.5, 0.4, 0.5, 0.4]), crops, DISTINCT, remember) == [0, 2]
    pairs = [(0, 2), (1, 2), (0, 2), (0, 3)]
    for picture, (first, second) in zip(compared, pairs, strict=True):
        assert torch.equal(picture, assemble(torch.stack([crops[first], crops[second]]), "grid"))
