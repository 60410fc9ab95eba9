"""Classes are factorized from their own images, however the stream and the shards are cut."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conceptrast.errors import LayerError
from conceptrast.factorization.classes import (
    by_class,
    factorize_classes,
    nearest_rectified,
    read_attributions,
    weighted_rows,
)
from conceptrast.files import write_arrays
from conceptrast.models.split import SplitModel


@pytest.fixture
def stream() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    activations = torch.from_numpy(rng.random((9, 5, 2, 2), dtype=np.float32))
    return activations, np.array([1, 1, 1, 4, 7, 7, 7, 7, 7]), rng.random((9, 2, 2), dtype=np.float32)


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_batches_are_gathered_by_class(stream, size: int) -> None:
    activations, targets, weights = stream
    batches = ((np.arange(at, min(at + size, 9)), activations[at : at + size]) for at in range(0, 9, size))
    found = list(by_class(batches, targets, weights))
    assert [(target, len(values)) for target, values, _ in found] == [(1, 3), (4, 1), (7, 5)]
    assert torch.equal(torch.cat([values for _, values, _ in found]), activations)
    assert np.array_equal(np.concatenate([part for *_, part in found]), weights)


def test_rows_are_positions_times_their_weight(stream) -> None:
    activations, _, weights = stream
    rows, removed = weighted_rows(activations, weights)
    assert removed == 0
    assert rows[1 * 4 + 2].tolist() == pytest.approx((activations[1, :, 1, 0] * weights[1, 1, 0]).tolist())


def test_a_class_without_attribution_is_skipped_with_a_reason(stream) -> None:
    activations, targets, weights = stream
    weights[3] = 0
    arrays = factorize_classes(by_class([(np.arange(9), activations)], targets, weights), [2, 3, 2])
    assert arrays["classes"].tolist() == [1, 7]
    assert arrays["n_images"].tolist() == [3, 5]
    assert arrays["components_k2"].shape == (2, 2, 5)
    assert arrays["components_k3"].shape == (2, 3, 5)
    assert (arrays["reconstruction_error_k3"] <= arrays["reconstruction_error_k2"]).all()
    assert arrays["skipped"].tolist() == [4]
    assert "every row is zero" in arrays["skipped_reason"][0]


def test_negative_activations_need_rectify(stream) -> None:
    activations, targets, weights = stream
    signed = activations - 0.5
    with pytest.raises(LayerError, match="rectify: true"):
        factorize_classes(by_class([(np.arange(9), signed)], targets, weights), [2])
    arrays = factorize_classes(by_class([(np.arange(9), signed)], targets, weights), [2], rectify=True)
    weighted = signed[:3] * torch.from_numpy(weights[:3])[:, None]
    expected = float(weighted.clamp(max=0).abs().sum() / weighted.abs().sum())
    assert arrays["removed_mass"][0] == pytest.approx(expected, rel=1e-5)


def test_shards_do_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = {"image": np.array([3, 8, 1, 5]), "target": np.array([0, 0, 2, 2]), "rectified": rng.random((4, 2, 2))}
    parts = [[2, 3], [0, 1], []]
    for number, part in enumerate(parts):
        write_arrays(tmp_path / f"{number}.npz", {name: values[part] for name, values in whole.items()})
    found = read_attributions([tmp_path / f"{number}.npz" for number in range(3)])
    assert found["image"].tolist() == [3, 8, 1, 5]
    assert np.array_equal(found["rectified"], whole["rectified"])


def test_nearest_layer_after_an_activation_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval()
    layers = ["0", "1", "2", "3", "4"]
    assert nearest_rectified(lambda name: SplitModel(network, name), "3", layers) == "4"
    assert nearest_rectified(lambda name: SplitModel(network, name), "2", layers) == "1"
