"""Activations against the network's own first half, and against ones worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import LayerError
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import network_input
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.opening import load_model
from conceptrast.models.split import SplitModel


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("resnet10", class_names=["a", "b", "c"], seed=1)


@pytest.fixture(scope="module")
def views() -> torch.Tensor:
    return torch.randint(0, 256, (5, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def split(model) -> SplitModel:
    return SplitModel(model, "layer3")


def test_the_ids_stay_with_their_pictures(model, split, views):
    ids = np.array([7, 3, 9, 0, 40])
    batches = list(activations_of(model, split, [(ids[:2], views[:2]), (ids[2:], views[2:])]))
    assert [images.tolist() for images, _ in batches] == [[7, 3], [9, 0, 40]]
    for number, view in zip(ids, views, strict=True):
        [(images, alone)] = activations_of(model, split, [(np.array([number]), view[None])])
        [together] = [a[list(i).index(number)] for i, a in batches if number in i]
        assert images.tolist() == [number]
        torch.testing.assert_close(alone[0], together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_they_are_float32_on_the_cpu_and_carry_no_gradient(model, split, views, precision):
    [(_, activations)] = activations_of(model, split, [(np.arange(5), views)], precision)
    assert activations.dtype == torch.float32
    assert activations.device.type == "cpu"
    assert not activations.requires_grad


def test_they_are_what_the_prefix_gives_for_the_normalised_views(model, split, views):
    before = views.clone()
    [(_, activations)] = activations_of(model, split, [(np.arange(5), views)])
    with torch.inference_mode():
        expected = split.prefix(network_input(model, views))
        logits = model.module(network_input(model, views))
        prepared = split.for_inference("float32").prefix(network_input(model, views))
        torch.testing.assert_close(split.suffix(activations), logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(activations, prepared, rtol=0, atol=0)
    torch.testing.assert_close(activations, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(views, before)


def test_bfloat16_is_near_float32_and_not_the_same(model, split, views):
    [(_, exact)], [(_, rough)] = (
        activations_of(model, split, [(np.arange(5), views)], precision) for precision in ("float32", "bfloat16")
    )
    assert 0 < (rough - exact).norm() / exact.norm() < 0.02


def toy(*layers: torch.nn.Module) -> Model:
    return Model("toy", torch.nn.Sequential(*layers), Preprocess(None, 2, (0.2,) * 3, (0.5,) * 3), ["r", "g", "b"])


def test_activations_worked_out_by_hand():
    model = toy(torch.nn.AvgPool2d(2), torch.nn.ReLU(), torch.nn.Flatten())
    view = torch.tensor([255, 51, 0], dtype=torch.uint8).repeat_interleave(4).reshape(1, 3, 2, 2)
    [(_, activations)] = activations_of(model, SplitModel(model, "0"), [(np.array([4]), view)])
    torch.testing.assert_close(activations.flatten(), torch.tensor([1.6, 0.0, -0.4]))


def test_a_layer_without_positions_is_named():
    model = toy(torch.nn.Flatten(), torch.nn.Linear(12, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    view = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    with pytest.raises(LayerError, match=r"layer '2' gives activations \[1, 4\] without positions"):
        list(activations_of(model, SplitModel(model, "2"), [(np.array([4]), view)]))


def test_nothing_in_gives_nothing_out(model, split):
    assert list(activations_of(model, split, [])) == []
