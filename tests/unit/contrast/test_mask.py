"""The mask test: the common order of all places, its steps, and what is left when everything is hidden."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ShapeError
from conceptrast.contrast.mask import (
    MaskOptions,
    hidden_places,
    mask_summary,
    mask_test,
    masked_probabilities,
    random_ranks,
    ranks_by_distance,
)
from conceptrast.models.model import Model, Preprocess

DISTANCES = np.array([[[0.5, -2.0], [3.0, 1.0]], [[-1.0, -2.5], [0.0, 2.0]]])


@pytest.fixture
def model() -> Model:
    """Says how much of the left and of the right half is bright."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d((1, 2)), nn.Conv2d(3, 1, 1, bias=False), nn.Flatten())
    network[1].weight.data.fill_(1.0)
    return Model("halves", network, Preprocess(None, 4, (0.5,) * 3, (0.5,) * 3), ["left", "right"])


def test_places_of_all_images_are_ranked_together():
    assert ranks_by_distance(DISTANCES).tolist() == [[[4, 1], [7, 5]], [[2, 0], [3, 6]]]


def test_a_random_order_is_a_permutation_of_its_own_for_each_pair():
    ranks = random_ranks((2, 2, 2), seed=0, pair=(1, 2))
    assert sorted(ranks.ravel().tolist()) == list(range(8))
    assert ranks.tolist() == random_ranks((2, 2, 2), seed=0, pair=(1, 2)).tolist()
    assert ranks.tolist() != random_ranks((2, 2, 2), seed=0, pair=(2, 1)).tolist()


def test_a_step_hides_its_share_and_whole_cells():
    ranks = ranks_by_distance(DISTANCES)
    hidden = hidden_places(ranks, 0.5, 8, (6, 6))
    assert hidden.float().mean() == 0.5
    assert hidden[1, 0, :3, :3].all()
    assert hidden[1, 0, :3, 3:].all()
    assert not hidden[0, 0, 3:].any()
    one = hidden_places(np.array([[[0, 1, 2], [3, 4, 5], [6, 7, 8]]]), 1 / 9, 9, (9, 9))
    assert one[0, 0].nonzero().tolist() == [[row, column] for row in range(3) for column in range(3)]


def test_probabilities_from_nothing_hidden_to_everything(model):
    images = torch.zeros(2, 3, 4, 4)
    images[:, :, :, :2] = 1
    before = images.clone()
    settings = MaskOptions(fill=1.0, steps=4, batch_size=1)
    probabilities = masked_probabilities(
        model=model, images=images, ranks=ranks_by_distance(DISTANCES), classes=[0, 1], options=settings
    )
    assert torch.equal(images, before)
    whole = torch.tensor([[3.0, 0.0]], dtype=torch.float64).softmax(1)
    np.testing.assert_allclose(probabilities[0], whole[0], rtol=1e-6)
    np.testing.assert_allclose(probabilities[-1], [0.5, 0.5], rtol=1e-6)
    # After the first step the two places nearest to A are hidden: the upper right one of both images.
    one = torch.tensor([3.0, 1.5], dtype=torch.float64).softmax(0)
    np.testing.assert_allclose(probabilities[1], one, rtol=1e-6)


def test_every_picture_is_shown_once_and_the_means_are_those_of_every_step(model):
    """Two images of four places; after the fourth of eight steps the second is hidden whole, and stays so."""
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    ranks = np.array([[[4, 5], [6, 7]], [[0, 1], [2, 3]]])
    views = []
    hook = model.module.register_forward_pre_hook(lambda _, inputs: views.extend(inputs[0].clone()))
    probabilities = masked_probabilities(
        model=model, images=images, ranks=ranks, classes=[0, 1], options=MaskOptions(steps=8, batch_size=3)
    )
    hook.remove()
    # None, one, two or three of the places of each image, and everything.
    assert len(views) == 2 * 4 + 1
    for step, mean in enumerate(probabilities):
        hidden = hidden_places(ranks, step / 8, 8, (4, 4))
        with torch.no_grad():
            expected = model.module(images.masked_fill(hidden, 1.0)).double().softmax(1).mean(0)
        np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_the_order_of_the_batch_does_not_matter(model):
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    ranks = ranks_by_distance(DISTANCES)
    one = masked_probabilities(
        model=model, images=images, ranks=ranks, classes=[0, 1], options=MaskOptions(batch_size=1)
    )
    other = masked_probabilities(
        model=model, images=images.flip(0), ranks=ranks[::-1].copy(), classes=[0, 1], options=MaskOptions()
    )
    np.testing.assert_allclose(one, other)


def test_an_image_without_ranks_is_named(model):
    with pytest.raises(ShapeError, match="3 images and ranks of 2"):
        masked_probabilities(
            model=model,
            images=torch.zeros(3, 3, 4, 4),
            ranks=ranks_by_distance(DISTANCES),
            classes=[0],
            options=MaskOptions(),
        )


def test_the_example_is_the_image_deepest_on_the_side_of_a(model):
    settings = MaskOptions(steps=2)
    test = mask_test(model, torch.zeros(2, 3, 4, 4), DISTANCES, np.array([40, 50]), pair=(0, 1), options=settings)
    assert test.image == 50
    assert test.positions == 8
    assert test.ranks.tolist() == [[2, 0], [3, 6]]
    assert test.rows.groupby("baseline")["share"].apply(list).to_dict() == {
        "none": [0.0, 0.5, 1.0],
        "random_order": [0.0, 0.5, 1.0],
    }


def test_pairs_that_were_skipped_do_not_count():
    rows = {"baseline": "none", "share": 0.5, "p_from": [0.2, None], "p_to": [0.4, None], "status": ["ok", "skipped"]}
    assert mask_summary(pd.DataFrame(rows))[["n_pairs", "p_to_mean"]].to_numpy().tolist() == [[1.0, 0.4]]
