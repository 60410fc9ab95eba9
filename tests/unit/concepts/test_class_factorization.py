"""Classes are factorized from their own images, however the stream and the shards are cut."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.base.files import write_arrays
from conceptrast.concepts.attributed_images import by_class, read_attributions
from conceptrast.concepts.class_factorization import class_weights, factorize_classes, nearest_rectified, weighted_rows
from conceptrast.concepts.nmf import nmf, reconstruction_error
from conceptrast.concepts.recipes import Factors
from conceptrast.models.layers import rectified_layers


@pytest.fixture
def stream() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    activations = torch.from_numpy(rng.random((9, 5, 2, 2), dtype=np.float32))
    return activations, np.array([1, 1, 1, 4, 7, 7, 7, 7, 7]), rng.random((9, 2, 2), dtype=np.float32)


@pytest.mark.parametrize(("shares", "like"), [((1.0, 0.85), "channel"), ((1.0, 0.75), "position")])
def test_auto_weighs_channels_where_the_mean_share_is_large(shares: tuple[float, float], like: str) -> None:
    rng = np.random.default_rng(0)
    attribution = {"rectified": rng.random((2, 3, 3)), "multiplier": rng.standard_normal((2, 5))}
    attribution["linear_share"] = np.array(shares)
    weights = class_weights(attribution, "auto")
    assert np.array_equal(weights, class_weights(attribution, like))
    assert not np.array_equal(weights.shape, class_weights(attribution, "position" if like == "channel" else "channel"))


def test_patterns_are_what_the_layer_has_where_a_component_is(stream) -> None:
    activations, targets, weights = stream
    attribution = {"rectified": weights, "multiplier": np.ones((9, 5), np.float32)}
    factors = [Factors("position", 2), Factors("channel", 2)]
    arrays = factorize_classes(by_class([(np.arange(9), activations)], targets), attribution, factors)
    rows, _ = weighted_rows(activations[4:], weights[4:, None])
    codes = nmf(rows, 2).codes
    plain, _ = weighted_rows(activations[4:], np.ones((5, 1, 1, 1)))
    expected = (codes / codes.sum(axis=0)).T @ plain
    patterns = arrays["patterns_position_k2"][2]
    np.testing.assert_allclose(patterns[np.argsort(patterns[:, 0])], expected[np.argsort(expected[:, 0])], atol=0.02)
    assert (arrays["weights_position_k2"] == 1).all()
    assert np.array_equal(arrays["weights_channel_k2"], np.ones((3, 5)))


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_batches_are_gathered_by_class(stream, size: int) -> None:
    activations, targets, _ = stream
    batches = ((np.arange(at, min(at + size, 9)), activations[at : at + size]) for at in range(0, 9, size))
    classes = list(by_class(batches, targets))
    assert [(target, len(values)) for target, values, _ in classes] == [(1, 3), (4, 1), (7, 5)]
    assert torch.equal(torch.cat([values for _, values, _ in classes]), activations)
    assert [(place.start, place.stop) for *_, place in classes] == [(0, 3), (3, 4), (4, 9)]


def test_rows_are_positions_times_their_weight(stream) -> None:
    activations, _, weights = stream
    rows, removed = weighted_rows(activations, weights[:, None])
    assert removed == 0
    assert rows[1 * 4 + 2].tolist() == pytest.approx((activations[1, :, 1, 0] * weights[1, 1, 0]).tolist())


def test_a_class_without_attribution_is_skipped_with_a_reason(stream) -> None:
    activations, targets, weights = stream
    weights[3] = 0
    attribution = {"rectified": weights, "multiplier": np.ones((9, 5), np.float32)}
    factors = [Factors("position", 2), Factors("position", 3)]
    arrays = factorize_classes(by_class([(np.arange(9), activations)], targets), attribution, factors)
    assert arrays["classes"].tolist() == [1, 7]
    assert arrays["n_images"].tolist() == [3, 5]
    assert arrays["components_position_k2"].shape == (2, 2, 5)
    assert arrays["components_position_k3"].shape == (2, 3, 5)
    assert (arrays["reconstruction_error_position_k3"] <= arrays["reconstruction_error_position_k2"]).all()
    assert arrays["skipped"].tolist() == [4]
    assert "every row is zero" in arrays["skipped_reason"][0]


def test_a_class_is_factorized_alike_alone_in_other_batches_and_by_its_solver(stream, monkeypatch) -> None:
    activations, targets, weights = stream
    attribution = {"rectified": weights, "multiplier": np.ones((9, 5), np.float32)}
    factors = [Factors("channel", 3), Factors("position", 2)]

    def of(first: int, last: int, solver: str = "batched") -> dict[str, np.ndarray]:
        part = {name: values[first:last] for name, values in attribution.items()}
        classes = by_class([(np.arange(first, last), activations[first:last])], targets[first:last])
        return factorize_classes(classes, part, factors, seed=2, solver=solver)

    together = of(0, 9)
    monkeypatch.setattr("conceptrast.concepts.class_factorization.BATCH_BYTES", 1)
    one_by_one = of(0, 9)
    for name, values in together.items():
        np.testing.assert_array_equal(one_by_one[name], values)
    for number, (first, last) in enumerate([(0, 3), (3, 4), (4, 9)]):
        np.testing.assert_array_equal(
            of(first, last)["components_channel_k3"][0], together["components_channel_k3"][number]
        )
    # scikit-learn's are those of the rows of each class.
    rows, _ = weighted_rows(activations[4:], weights[4:, None])
    components, codes = nmf(rows, 2, seed=2)
    plain = of(0, 9, solver="sklearn")
    np.testing.assert_array_equal(plain["components_position_k2"][2], components)
    assert plain["reconstruction_error_position_k2"][2] == reconstruction_error(rows, components, codes)
    with pytest.raises(ConfigError, match="unknown solver 'sklern'; nearest: sklearn"):
        of(0, 9, solver="sklern")


def test_negative_activations_need_rectify(stream) -> None:
    activations, targets, weights = stream
    signed = activations - 0.5
    factors = [Factors("position", 2)]
    attribution = {"rectified": weights, "multiplier": np.ones((9, 5), np.float32)}
    with pytest.raises(LayerError, match="rectify: true"):
        factorize_classes(by_class([(np.arange(9), signed)], targets), attribution, factors)
    arrays = factorize_classes(by_class([(np.arange(9), signed)], targets), attribution, factors, rectify=True)
    weighted = signed[:3] * torch.from_numpy(weights[:3])[:, None]
    expected = float(weighted.clamp(max=0).abs().sum() / weighted.abs().sum())
    assert arrays["removed_mass_position_k2"][0] == pytest.approx(expected, rel=1e-5)


def test_negative_activations_are_found_where_their_weight_is_zero(stream) -> None:
    activations, targets, weights = stream
    activations[:, 1] -= 2
    multiplier = np.tile(np.array([1.0, -1.0, 1.0, 1.0, 1.0], np.float32), (9, 1))
    attribution = {"rectified": weights, "multiplier": multiplier}
    with pytest.raises(LayerError, match=r"20\.0% of the activations are negative"):
        factorize_classes(by_class([(np.arange(9), activations)], targets), attribution, [Factors("channel", 2)])


def test_channels_that_speak_against_the_class_have_no_part_in_its_components(stream) -> None:
    activations, targets, weights = stream
    multiplier = np.tile(np.array([2.0, -1.0, 1.0, 0.0, 0.5], np.float32), (9, 1))
    attribution = {"rectified": weights, "multiplier": multiplier}
    arrays = factorize_classes(
        by_class([(np.arange(9), activations)], targets), attribution, [Factors("channel", 2), Factors("position", 2)]
    )
    assert (arrays["components_channel_k2"][:, :, [1, 3]] == 0).all()
    assert (arrays["components_position_k2"][:, :, [1, 3]] > 0).any()
    assert class_weights(attribution, "channel").shape == (1, 5, 1, 1)


def test_shards_do_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = {"image": np.array([3, 8, 1, 5]), "target": np.array([0, 0, 2, 2])}
    whole |= {"raw": rng.random((4, 2, 2)), "rectified": rng.random((4, 2, 2)), "multiplier": rng.random((4, 5))}
    whole["linear_share"] = rng.random(4)
    parts = [[3, 2], [1, 0], []]
    for number, part in enumerate(parts):
        write_arrays(tmp_path / f"{number}.npz", {name: values[part] for name, values in whole.items()})
    attribution = read_attributions([tmp_path / f"{number}.npz" for number in range(3)])
    assert attribution["image"].tolist() == [3, 8, 1, 5]
    assert np.array_equal(attribution["rectified"], whole["rectified"])
    assert np.array_equal(attribution["multiplier"], whole["multiplier"])
    assert np.array_equal(attribution["linear_share"], whole["linear_share"])


def test_nearest_layer_after_an_activation_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval()
    layers = ["0", "1", "2", "3", "4"]
    assert rectified_layers(network) == ["1", "4"]
    assert nearest_rectified("3", layers, rectified_layers(network)) == "4"
    assert nearest_rectified("2", layers, rectified_layers(network)) == "1"
