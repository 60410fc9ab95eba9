"""Parameter randomisation: what is drawn, what stays, which methods are found out."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel
from conceptrast.saliency.grad_cam import class_activation_maps
from conceptrast.saliency.parameter_randomisation import parameter_randomisation, similarity
from conceptrast.saliency.randomisation_stages import stages
from conceptrast.saliency.tables import randomisation_table
from conceptrast.saliency.targets import Target

LAYER = "3"


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained() -> nn.Sequential:
    """Stands for a trained network: two convolutions below the layer, two linear layers above it."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 16),
        nn.Tanh(),
        nn.Linear(16, 4),
    )
    for number, weight in enumerate(network.parameters()):
        weight.data = 0.3 * normal(*weight.shape, seed=number) + 0.05
    network[1].running_mean = normal(8, seed=50)
    return network.eval()


IMAGES = normal(3, 3, 10, 12, seed=9)
TARGETS = [Target(0), Target(1, versus=2), Target(3)]


def drawn_anew(network: nn.Module, names: list[str], seed: int) -> nn.Module:
    """The same by other means: weights by name, all at once."""
    copied = copy.deepcopy(network)
    everything = [name for name, _ in network.named_parameters()]
    state = copied.state_dict()
    for name in names:
        values = state[name].double().numpy()
        noise = np.random.default_rng([seed, everything.index(name), 104]).standard_normal(values.shape)
        state[name] = torch.tensor(values.mean() + values.std() * noise).float()
    copied.load_state_dict(state)
    return copied


def test_rows_are_those_of_the_network_whose_weights_are_drawn_from_the_output_down():
    network = trained()
    methods = ["grad_cam", "eigen_cam"]
    rows = parameter_randomisation(model=network, layer=LAYER, images=IMAGES, targets=TARGETS, methods=methods, seed=2)
    groups = stages(network, LAYER)
    assert rows.columns.tolist() == [
        *("position", "method", "stage", "reaches", "above_layer", "rank_correlation", "ssim", "flat")
    ]
    assert rows["reaches"].unique().tolist() == [stage.name for stage in groups] == ["8", "6", "2", "1", "0"]
    names: list[str] = []
    for number, stage in enumerate(groups, start=1):
        names += stage.parameters
        split = SplitModel(drawn_anew(network, names, seed=2), LAYER)
        for method in methods:
            before = class_activation_maps(SplitModel(network, LAYER), IMAGES, TARGETS, method)
            after = class_activation_maps(split, IMAGES, TARGETS, method)
            part = rows[(rows["stage"] == number) & (rows["method"] == method)]
            assert part["position"].tolist() == [0, 1, 2]
            assert set(part["above_layer"]) == {stage.above_layer}
            expected = [similarity(one, other) for one, other in zip(before, after, strict=True)]
            for name in ("rank_correlation", "ssim"):
                np.testing.assert_allclose(part[name], [values[name] for values in expected], atol=1e-3)


def test_methods_that_look_at_activations_alone_are_flagged_and_others_are_not():
    methods = ["eigen_cam", "kpca_cam", "fem", "grad_cam", "hires_cam", "layer_cam"]
    model = Model("toy", trained(), Preprocess(None, 12, (0.0,) * 3, (1.0,) * 3), list("abcd"))
    rows = parameter_randomisation(model=model, layer=LAYER, images=IMAGES, targets=TARGETS, methods=methods)
    table = randomisation_table(rows.assign(view="v"))
    flagged = table.groupby("method")["unchanged"].agg(["all", "any"])
    assert flagged["all"].equals(flagged["any"])
    assert sorted(flagged.index[flagged["all"]]) == ["eigen_cam", "fem", "kpca_cam"]
    above = rows[rows["above_layer"] & rows["method"].isin(methods[:3])]
    np.testing.assert_allclose(above[["rank_correlation", "ssim"]], 1, atol=1e-9)
    below = rows[(rows["stage"] == 5) & (rows["method"] == "eigen_cam")]
    assert below["rank_correlation"].abs().max() < 0.9


def test_the_model_images_and_random_states_stay_as_they_were():
    network = trained()
    images = IMAGES.clone()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    random_states = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    first = parameter_randomisation(model=network, layer=LAYER, images=images, targets=TARGETS, methods=["grad_cam"])
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert torch.equal(images, IMAGES)
    assert torch.equal(random_states[0], torch.get_rng_state())
    assert np.array_equal(random_states[1], np.random.get_state()[1])  # noqa: NPY002
    assert all(weight.requires_grad for weight in network.parameters())
    pd.testing.assert_frame_equal(
        first, parameter_randomisation(model=network, layer=LAYER, images=images, targets=TARGETS, methods=["grad_cam"])
    )
    other = parameter_randomisation(
        model=network, layer=LAYER, images=images, targets=TARGETS, methods=["grad_cam"], seed=1
    )
    assert not first["rank_correlation"].equals(other["rank_correlation"])


def test_the_number_of_stages_does_not_change_the_draws():
    fine = parameter_randomisation(model=trained(), layer=LAYER, images=IMAGES, targets=TARGETS, methods=["grad_cam"])
    coarse = parameter_randomisation(
        model=trained(), layer=LAYER, images=IMAGES, targets=TARGETS, methods=["grad_cam"], most=2
    )
    assert coarse["reaches"].unique().tolist() == ["6", "0"]
    for name in ("6", "0"):
        one, other = (rows.loc[rows["reaches"] == name, "rank_correlation"].tolist() for rows in (fine, coarse))
        assert one == other


def test_a_random_network_without_a_map_counts_as_flat():
    """The convolution lets red through; drawn anew, its mostly negative weights let nothing through."""
    network = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)).eval()
    network[0].weight.data = torch.tensor([2.0, -50.0, -50.0]).view(1, 3, 1, 1)
    network[3].weight.data = normal(2, 36)
    images = torch.zeros(2, 3, 6, 6)
    images[:, 0] = normal(2, 6, 6, seed=1).abs()
    rows = parameter_randomisation(
        model=network, layer="1", images=images, targets=[Target(0), Target(1)], methods=["hires_cam"], seed=0
    )
    last = rows[rows["stage"] == 2]
    assert last["flat"].all()
    assert (last["rank_correlation"] == 0).all()
    assert np.isfinite(last["ssim"]).all()
    assert not rows.loc[rows["stage"] == 1, "flat"].any()


def test_one_picture_without_a_map_leaves_the_maps_of_the_others() -> None:
    """The network of the test before, and a picture that the random convolution lets through."""
    network = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)).eval()
    network[0].weight.data = torch.tensor([2.0, -50.0, -50.0]).view(1, 3, 1, 1)
    network[3].weight.data = normal(2, 36)
    images = torch.zeros(2, 3, 6, 6)
    images[:, 0] = normal(2, 6, 6, seed=1).abs()
    images[1, 1:] = -normal(6, 6, seed=2).abs()
    options = {"model": network, "layer": "1", "methods": ["hires_cam", "eigen_cam"], "seed": 0}
    rows = parameter_randomisation(images=images, targets=[Target(0), Target(1)], **options)
    last = rows[rows["stage"] == 2].set_index(["method", "position"])
    assert last["flat"].to_dict() == {
        ("hires_cam", 0): True,
        ("hires_cam", 1): False,
        ("eigen_cam", 0): True,
        ("eigen_cam", 1): False,
    }
    alone = parameter_randomisation(images=images[1:], targets=[Target(1)], **options)
    alone = alone[alone["stage"] == 2].set_index("method")
    for method in options["methods"]:
        assert last.loc[(method, 1), "rank_correlation"] == pytest.approx(alone.loc[method, "rank_correlation"])


def test_similarity_by_hand():
    ramp = np.linspace(0, 1, 70).reshape(7, 10)
    same = similarity(ramp, ramp)
    turned = similarity(ramp, 1 - ramp)
    flat = similarity(0 * ramp, ramp)
    assert (same["rank_correlation"], same["ssim"], same["flat"]) == (pytest.approx(1), pytest.approx(1), False)
    assert (turned["rank_correlation"], turned["flat"]) == (pytest.approx(-1), False)
    assert turned["ssim"] < 0
    assert (flat["rank_correlation"], flat["flat"]) == (0, True)
    assert flat["ssim"] < 0.5
    assert similarity(ramp, ramp**3)["rank_correlation"] == pytest.approx(1)
    assert similarity(ramp[:5, :6], ramp[:5, :6])["ssim"] == pytest.approx(1)  # smaller than a window
    tied = similarity(np.array([[0.0, 0.0, 1.0]] * 3), np.array([[0.0, 1.0, 1.0]] * 3))
    assert tied["rank_correlation"] == pytest.approx(0.5)


def test_a_table_by_hand():
    rows = pd.DataFrame(
        [
            {"view": view, "method": method, "stage": stage, "reaches": str(stage), "above_layer": stage < 3}
            | {"position": position, "rank_correlation": value, "ssim": value / 2, "flat": value == 0}
            for view, method, values in (
                ("v", "steady", ((0.5, 0.5), (0.9, 0.95), (0.0, 0.1))),
                ("v", "wavering", ((1.0, 1.0), (0.85, 0.9), (1.0, 1.0))),
                ("w", "steady", ((1.0, 1.0), (0.0, 1.0), (0.0, 0.0))),
            )
            for stage, measured in enumerate(values, start=1)
            for position, value in enumerate(measured)
        ]
    )
    table = randomisation_table(rows).set_index(["view", "method", "stage"])
    assert table.loc[("v", "steady", 2), ["n_images", "n_flat"]].tolist() == [2, 0]
    assert table.loc[("v", "steady", 2), ["rank_correlation", "ssim"]].tolist() == pytest.approx([0.925, 0.4625])
    assert table.loc[("v", "steady", 2), "rank_correlation_sd"] == pytest.approx(0.05 / 2**0.5)
    assert table.loc[("v", "steady", 2), "ssim_sd"] == pytest.approx(0.025 / 2**0.5)
    assert table.loc[("w", "steady", 3), "n_flat"] == 2
    assert table["unchanged"].tolist() == [True] * 3 + [False] * 6
    assert not table.isna().any().any()
    below = randomisation_table(rows[rows["stage"] == 3])
    assert not below["unchanged"].any()  # nothing lies above the layer


def test_bad_input_is_refused_before_anything_is_drawn():
    with pytest.raises(ConfigError, match="unknown CAM method"):
        parameter_randomisation(model=trained(), layer=LAYER, images=IMAGES, targets=TARGETS, methods=["gradcam"])
    with pytest.raises(LayerError, match="without positions"):
        parameter_randomisation(model=trained(), layer="6", images=IMAGES, targets=TARGETS, methods=["grad_cam"])
