"""Noise averaging: what it computes, and that batches and shards change nothing."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptrast.attribution import METHODS
from conceptrast.attribution.completeness import completeness_gap
from conceptrast.attribution.deeplift import deeplift
from conceptrast.attribution.images import attribute_images
from conceptrast.attribution.integrated_gradients import integrated_gradients
from conceptrast.attribution.noise import Smoothing
from conceptrast.attribution.smooth import smooth_attribution
from conceptrast.base.errors import ConfigError, LayerError, ShapeError
from conceptrast.base.registry import resolve
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def noisy_copies(images: Tensor, ids: np.ndarray, smoothing: Smoothing) -> Tensor:
    return smoothing.noisy(images, smoothing.draw(ids, images.shape[1:]))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    parts = (nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
    module = nn.Sequential(*parts).eval().requires_grad_(False)
    for weight in module.parameters():
        weight.copy_(0.3 * normal(*weight.shape))
    return module


def test_it_is_the_mean_over_copies_then_over_channels(network: nn.Module) -> None:
    split = SplitModel(network, "1")
    images = normal(3, 3, 12, 12)
    targets = torch.tensor([0, 2, 1])
    attribution = smooth_attribution(split, images, targets, samples=4, noise=0.5, baseline=0.3, seed=9, batch_size=5)
    start = split.prefix(torch.full((1, 3, 12, 12), 0.3))
    copies = noisy_copies(images, np.arange(3), Smoothing(samples=4, noise=0.5, seed=9))
    for row in range(3):
        attributions = [deeplift(split, split.prefix(copy[None]), start, int(targets[row])) for copy in copies[row]]
        mean = torch.stack(attributions).mean(0)[0]
        torch.testing.assert_close(attribution.raw[row], mean.mean(0))
        torch.testing.assert_close(attribution.rectified[row], mean.relu().mean(0))
    assert attribution.gap.max() < 1e-3


@pytest.mark.parametrize("method", ["deeplift", "gradient_x_activation", "integrated_gradients"])
def test_batches_and_shards_change_nothing(network: nn.Module, method: str) -> None:
    split = SplitModel(network, "1")
    images = normal(4, 3, 12, 12)
    ids = np.array([11, 5, 900, 2])
    whole = smooth_attribution(split, images, 1, method, samples=3, image_ids=ids)
    for rows in (slice(0, 1), slice(1, 4)):
        part = smooth_attribution(split, images[rows], 1, method, samples=3, image_ids=ids[rows], batch_size=1)
        torch.testing.assert_close(part.raw, whole.raw[rows], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(part.rectified, whole.rectified[rows], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(part.multiplier, whole.multiplier[rows], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_multipliers_of_a_linear_suffix_are_its_weights(method: str, baseline: float) -> None:
    linear = nn.Linear(4, 3).requires_grad_(False)
    linear.weight.copy_(normal(3, 4))
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval()
    torch.nn.init.constant_(network[0].bias, 0.5)  # so that activations of the baseline are not zero
    split = SplitModel(network, "1")
    targets = torch.tensor([2, 0])
    images = normal(2, 3, 6, 6)
    attribution = smooth_attribution(split, images, targets, method, samples=3, noise=0.5, baseline=baseline)
    torch.testing.assert_close(attribution.multiplier, linear.weight[targets] / 16, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["gradient_x_activation", "integrated_gradients"])
def test_sums_over_steps_are_float32_under_autocast(network: nn.Module, method: str) -> None:
    split = SplitModel(network, "1")
    explain = resolve("attribution method", method, METHODS)
    activations = split.prefix(normal(8, 3, 12, 12))
    baseline = split.prefix(torch.ones(1, 3, 12, 12))
    exact = explain(split, activations, baseline, 1)
    with torch.autocast("cpu", torch.bfloat16):
        attribution = explain(split, activations, baseline, 1)
        rounded = explain(split, activations.bfloat16(), baseline.bfloat16(), 1)
    assert attribution.dtype == rounded.dtype == torch.float32
    for approximate in (attribution, rounded):
        assert (approximate - exact).norm() < 0.01 * exact.norm()


def test_integrated_gradients_of_bfloat16_activations_add_up_as_well() -> None:
    split = SplitModel(nn.Sequential(nn.Identity(), nn.GELU(), nn.Flatten()).eval(), "0")
    activations = normal(16, 1, 1, 1).bfloat16()
    baseline = normal(1, 1, 1, 1, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        attribution = integrated_gradients(split, activations, baseline, 0)
    # The suffix rounds nothing here, so that all of the gap would come from the way, its steps and their sum.
    assert (
        completeness_gap(
            split, attribution, activations=activations.float(), baseline=baseline.float(), target=0
        ).median()
        < 1e-5
    )


def test_noise_belongs_to_seed_and_image_and_leaves_the_global_state_alone() -> None:
    state = torch.get_rng_state()
    images = torch.zeros(2, 3, 64, 64)
    smoothing = Smoothing(samples=2, noise=0.25, seed=0)
    ids = np.array([3, 4])
    drawn = noisy_copies(images, ids, smoothing)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn, noisy_copies(images, ids, smoothing))
    assert abs(drawn.std().item() - 0.25) < 0.005
    views = [*drawn.flatten(0, 1), *noisy_copies(images, ids, dataclasses.replace(smoothing, seed=1)).flatten(0, 1)]
    assert all(not torch.equal(a, b) for i, a in enumerate(views) for b in views[:i])


def test_without_noise_the_image_itself_is_attributed_once(network: nn.Module) -> None:
    split = SplitModel(network, "1")
    images = normal(2, 3, 12, 12)
    none = smooth_attribution(split, images, 0, samples=0)
    still = smooth_attribution(split, images, 0, samples=7, noise=0.0)
    torch.testing.assert_close(none.raw, still.raw, rtol=0, atol=0)


def test_a_gap_above_one_percent_is_warned_of(network: nn.Module, caplog: pytest.LogCaptureFixture) -> None:
    split = SplitModel(network, "1")
    with caplog.at_level(logging.WARNING, "conceptrast"):
        smooth_attribution(split, normal(2, 3, 12, 12), 0)
        assert not caplog.records
        smooth_attribution(split, normal(2, 3, 12, 12), 0, "gradient_x_activation")
    assert "gradient_x_activation at layer '1' leaves a gap" in caplog.text


def test_a_stream_warns_once_for_all_its_batches(network: nn.Module, caplog: pytest.LogCaptureFixture) -> None:
    model = Model("toy", network, Preprocess(None, 12, (0.5,) * 3, (0.5,) * 3), ["a", "b", "c"])
    batches = [(np.array([row]), torch.full((1, 3, 12, 12), 50 * row, dtype=torch.uint8)) for row in range(4)]
    with caplog.at_level(logging.WARNING, "conceptrast"):
        attribute_images(model, "1", batches, dict.fromkeys(range(4), 0), method="gradient_x_activation")
    assert caplog.text.count("leaves a gap") == 1


def test_bfloat16_is_near_float32(network: nn.Module) -> None:
    split = SplitModel(network, "1")
    images = normal(2, 3, 12, 12)
    exact = smooth_attribution(split, images, 0, precision="float32")
    rounded = smooth_attribution(split, images, 0, precision="bfloat16")
    assert rounded.raw.dtype == torch.float32
    assert (rounded.raw - exact.raw).norm() < 0.05 * exact.raw.norm()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"samples": -1}, ConfigError, "samples is -1"),
        ({"noise": -0.1}, ConfigError, "noise is -0.1"),
        ({"method": "deplift"}, ConfigError, "nearest: deeplift"),
        ({"precision": "float8"}, ConfigError, "unknown precision"),
        ({"image_ids": np.arange(3)}, ShapeError, "3 image_ids for 2 images"),
    ],
)
def test_bad_arguments_are_named(network: nn.Module, change: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        smooth_attribution(SplitModel(network, "1"), normal(2, 3, 12, 12), 0, **change)


def test_a_layer_without_positions_is_refused(network: nn.Module) -> None:
    with pytest.raises(LayerError, match=r"'4' gives \[1, 256\]"):
        smooth_attribution(SplitModel(network, "4"), normal(2, 3, 12, 12), 0)


def test_multipliers_explain_all_of_a_linear_suffix_and_less_of_another() -> None:
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    in_places = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 100, 2))
    images = normal(3, 3, 12, 12)
    shares = [
        smooth_attribution(SplitModel(network.eval(), "1"), images, 0, samples=2).linear_share
        for network in (pooled, in_places)
    ]
    assert torch.allclose(shares[0], torch.ones(3), atol=1e-4)
    # Weights differ from place to place, so one for each channel explains little of them.
    assert (shares[1] < 0.5).all()


def test_a_stream_of_batches_gives_named_arrays(network: nn.Module) -> None:
    model = Model("toy", network, Preprocess(None, 12, (0.5,) * 3, (0.5,) * 3), ["a", "b", "c"])
    views = torch.randint(0, 256, (3, 3, 12, 12), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    batches = [(np.array([8, 3]), views[:2]), (np.array([5]), views[2:])]
    arrays = attribute_images(model, "1", batches, {3: 0, 5: 2, 8: 1}, samples=2, seed=4)
    assert arrays["image"].tolist() == [8, 3, 5]
    assert arrays["target"].tolist() == [1, 0, 2]
    assert arrays["raw"].shape == arrays["rectified"].shape == (3, 10, 10)
    assert {name: array.dtype.name for name, array in arrays.items()}["completeness_gap"] == "float32"
    last = attribute_images(model, "1", batches[1:], {5: 2}, samples=2, seed=4)
    np.testing.assert_allclose(last["raw"], arrays["raw"][2:], rtol=1e-4, atol=1e-6)
    assert attribute_images(model, "1", [], {})["raw"].shape == (0, 10, 10)
