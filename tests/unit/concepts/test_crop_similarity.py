"""Patches are compared again by what the layer makes of them when they are cut out, and by nothing after it."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ModelError
from conceptrast.concepts.class_prototypes import Sought
from conceptrast.concepts.crop_similarity import crop_means, cut_out, ranked_by_crops
from conceptrast.concepts.recipes import Recipe
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel

RECIPE = Recipe("alone", 1, kernel=1, stride=1, window=0.5, candidates=3)


class Colours:
    """Pictures of 4×4 pixels: the left half of picture ``i`` has ``i`` parts of red in ten, the rest is blue."""

    batch_size = 2

    def __init__(self, model: Model) -> None:
        self.model = model

    def of(self, images: np.ndarray, what: str = ""):
        for image in images.tolist():
            view = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
            view[:, 2] = 200
            view[:, 0, :, :2] = 20 * image
            yield np.array([image]), view


def colour_model(network: nn.Module) -> Model:
    return Model("colours", network.eval(), Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])


def table(boxes: list[int]) -> pd.DataFrame:
    """Three pictures with the patch at one of two places; the similarities of the search are the other way round."""
    return pd.DataFrame(
        {
            "class": 7,
            "recipe": "alone",
            "component": 0,
            "selection": "all",
            "rank": [0, 1, 2, 3],
            "image": [2, 6, 9, 9],
            "top": 0,
            "left": boxes,
            "height": 2,
            "width": 2,
            "similarity": np.array([0.9, 0.8, 0.7, 0.6], np.float32),
        }
    )


def ranked(network: nn.Module, boxes: list[int], recipe: Recipe = RECIPE) -> pd.DataFrame:
    model = colour_model(network)
    vectors = Sought(np.array([[[0, 0, 1.0]], [[1.0, 0, 0]]]))
    split = SplitModel(model, "0")
    return ranked_by_crops(table(boxes), np.ones(4, int), recipe, vectors, pictures=Colours(model), split=split)


def test_patches_are_ordered_by_their_similarity_in_the_picture_and_alone() -> None:
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    both = ranked(network, [0, 0, 0, 0])
    assert both["image"].tolist() == [9, 6, 2]  # the fourth is no candidate
    assert both["rank"].tolist() == [0, 1, 2]
    # Red 0.2 i x 0.1 to blue 200 of 255: the cosine with red, averaged with the similarity in the picture.
    alone = np.array([20 * image / np.hypot(20 * image, 200) for image in (9, 6, 2)])
    assert both["similarity"].tolist() == pytest.approx((alone + np.array([0.7, 0.8, 0.9])) / 2, abs=1e-4)
    # On the right there is no red in the patch, whatever lies beside it.
    right = ranked(network, [2, 2, 2, 2])
    assert right["image"].tolist() == [2, 6, 9]
    assert right["similarity"].tolist() == pytest.approx([0.45, 0.4, 0.35], abs=1e-4)


def test_what_follows_the_layer_has_no_influence() -> None:
    other = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    plain = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pd.testing.assert_frame_equal(ranked(other, [0, 0, 0, 0]), ranked(plain, [0, 0, 0, 0]))


def test_a_network_of_one_size_says_what_to_do() -> None:
    class OneSize(nn.Module):
        def forward(self, images):
            if images.shape[2:] != (4, 4):
                raise AssertionError("wrong size")
            return images

    network = nn.Sequential(OneSize(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match=r"takes no patch of 2×2 pixels.*resize: input"):
        ranked(network, [0, 0, 0, 0])
    resized = Recipe("alone", 1, kernel=1, stride=1, window=0.5, candidates=3, resize="input")
    assert ranked(network, [0, 0, 0, 0], resized)["image"].tolist() == [9, 6, 2]


def test_cosines_are_of_weighted_activations_where_they_are_weighted() -> None:
    vectors = Sought(np.array([[[3.0, 4.0]]]), weights=np.array([[3.0, 0.0]]))
    assert vectors.cosines(torch.tensor([[1.0, 5.0]]), np.array([0]), np.array([0])).tolist() == pytest.approx([0.6])


def test_each_row_gets_the_mean_of_its_patch_whatever_the_order_of_rows() -> None:
    """Blue is 200 everywhere, red 20 i on the left half of picture i and 0 on the right; in parts of 255."""
    model = colour_model(nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    rows = table([2, 0, 0, 0]).iloc[[2, 0, 1, 2]]  # pictures 9, 2 (its right half), 6, 9
    means = crop_means(rows, RECIPE, pictures=Colours(model), split=SplitModel(model, "0"), precision="float32")
    assert (means[:, 0] * 255).tolist() == pytest.approx([180, 0, 120, 180], abs=1e-3)
    assert [len(cut) for cut in cut_out(rows, Colours(model))] == [1, 1, 1]  # the same patch once
