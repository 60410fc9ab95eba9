"""Pictures that are factorized together or one by one: what is kept of them, what is left out, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.dff.picture_groups import FactorizationOptions, PictureGroup, arrays_of, factorize_pictures
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel

NAMES = ["red", "green", "blue"]
SIZE = 16


def colours(bias: tuple[float, ...] = (0.0, 0.5, 0.0)) -> Model:
    """Logits are the means of the channels of the pooled picture and a bias; layer 0 pools, layer 1 is a ReLU."""
    network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    network[4].weight.data = torch.eye(3)
    network[4].bias.data = torch.tensor(bias)
    return Model("colours", network, Preprocess(None, SIZE, (0.0,) * 3, (0.1,) * 3), NAMES)


def groups_of(
    model: Model, views: Tensor, options: FactorizationOptions, layer: str = "1", batch_size: int = 32
) -> list[PictureGroup]:
    """What is factorized of pictures 10, 11, …"""
    groups = factorize_pictures(
        model=model,
        split=SplitModel(model, layer),
        images=np.arange(10, 10 + len(views)),
        views=views,
        options=options,
        batch_size=batch_size,
    )
    return list(groups)


def factorized(views: Tensor, shared: bool, batch_size: int = 32, **options) -> list[PictureGroup]:
    return groups_of(colours(), views, FactorizationOptions([3, 2], shared, **options), batch_size=batch_size)


@pytest.fixture
def views() -> Tensor:
    return torch.randint(0, 256, (3, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def test_pictures_share_their_concepts_or_have_their_own(views: Tensor) -> None:
    [together] = factorized(views, True)
    assert together.images.tolist() == [10, 11, 12]
    assert {k: features.heatmaps.shape for k, features in together.features.items()} == {
        2: (3, 2, 4, 4),
        3: (3, 3, 4, 4),
    }
    assert together.table.groupby(["n_components", "concept"]).size().to_dict() == {
        (k, number): 2 for k in (2, 3) for number in range(1, k + 1)
    }
    apart = factorized(views, False)
    assert [group.images.tolist() for group in apart] == [[10], [11], [12]]
    for number, group in enumerate(apart):
        [alone] = factorized(views[number : number + 1], True)
        np.testing.assert_array_equal(group.features[3].heatmaps, alone.features[3].heatmaps)
        pd.testing.assert_frame_equal(group.table, alone.table)
        assert group.predictions == alone.predictions
    arrays = arrays_of(apart)
    assert arrays["images"].tolist() == [10, 11, 12]
    assert arrays["group"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(arrays["concepts_k2"], np.stack([group.features[2].concepts for group in apart]))
    np.testing.assert_array_equal(arrays["heatmaps_k3"][1], apart[1].features[3].heatmaps[0])
    np.testing.assert_array_equal(arrays["offset"], np.stack([group.features[2].offset for group in apart]))
    assert arrays["reconstruction_error_k3"].tolist() == [g.features[3].reconstruction_error for g in apart]
    shared = arrays_of([together])
    assert (shared["concepts_k3"].shape, shared["heatmaps_k3"].shape) == ((1, 3, 3), (3, 3, 4, 4))
    assert shared["group"].tolist() == [0, 0, 0]


def test_what_the_model_says_of_each_picture_is_kept(views: Tensor) -> None:
    [group] = factorized(views, True)
    model = colours()
    with torch.no_grad():
        predictions = model.module(model.preprocess.normalise(views)).double().softmax(1).max(1)
    assert [name for name, _ in group.predictions] == [NAMES[class_index] for class_index in predictions.indices]
    np.testing.assert_allclose([probability for _, probability in group.predictions], predictions.values, atol=1e-6)


def test_batches_and_other_random_numbers_do_not_matter(views: Tensor) -> None:
    [one] = factorized(views, True)
    [other] = factorized(views, True, batch_size=2)
    np.testing.assert_allclose(one.features[3].heatmaps, other.features[3].heatmaps, rtol=1e-4, atol=1e-6)
    pd.testing.assert_frame_equal(one.table, other.table, rtol=1e-4)
    [again] = factorized(views, True)
    pd.testing.assert_frame_equal(one.table, again.table)
    [seeded] = factorized(views, True, seed=1)
    assert not np.array_equal(one.table["blur_chance"], seeded.table["blur_chance"])


def test_a_picture_with_nothing_to_factorize_is_skipped_and_the_others_stay(views: Tensor) -> None:
    views[1] = 90
    groups = factorized(views, False)
    assert [sorted(group.features) for group in groups] == [[2, 3], [], [2, 3]]
    skipped = groups[1].table
    assert skipped["n_components"].tolist() == [2, 3]
    assert set(skipped["status"]) == {"skipped"}
    assert set(skipped["reason"]) == {"the activations are constant in every channel: there is nothing to factorize"}
    arrays = arrays_of(groups)
    assert arrays["images"].tolist() == [10, 12]
    assert arrays["group"].tolist() == [0, 1]
    assert arrays["heatmaps_k2"].shape == (2, 2, 4, 4)
    views[:] = 0
    assert arrays_of(factorized(views, True))["images"].tolist() == []


@pytest.mark.parametrize(
    ("layer", "n_components", "error", "message"),
    [
        ("1", 4, ConfigError, "4 concepts are more than the number of channels, 3"),
        ("3", 2, LayerError, "without positions"),
        ("2", 2, LayerError, "no spatial extent"),
    ],
)
def test_what_cannot_be_factorized_is_named(
    views: Tensor, layer: str, n_components: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        groups_of(colours(), views, FactorizationOptions([n_components]), layer=layer)


def test_model_pictures_and_global_random_numbers_are_left_as_they_were(views: Tensor) -> None:
    model = colours()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    pixels = views.clone()
    state = torch.get_rng_state()
    numbers = np.random.get_state()[1].copy()  # noqa: NPY002
    groups_of(model, views, FactorizationOptions([2]))
    assert all(torch.equal(before[name], value) for name, value in model.module.state_dict().items())
    assert not any(part._forward_hooks for part in model.module.modules())
    assert torch.equal(views, pixels)
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002 - the global state itself
