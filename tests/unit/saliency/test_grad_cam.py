"""Class activation maps: answers by hand, layers that hooks cannot reach, what stays untouched, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, LayerError, ModelError, ShapeError
from conceptrast.models.opening import load_model
from conceptrast.models.split import SplitModel
from conceptrast.saliency import METHODS
from conceptrast.saliency.cam_variants import EigenCAM
from conceptrast.saliency.cut_network import CutNetwork
from conceptrast.saliency.grad_cam import class_activation_maps, enlarged, maps_by_method
from conceptrast.saliency.targets import Target

# isort: split
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

# Two channels on 2×2 positions, for one image.
FIRST = [[1.0, 0.0], [0.0, 2.0]]
SECOND = [[0.0, 3.0], [1.0, 0.0]]
IMAGE = torch.tensor([[FIRST, SECOND]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pooled() -> nn.Sequential:
    """Passes the image on; class 0 is twice the first channel less the second, class 1 the second less the first.

    Logits are sums over the four positions.
    """
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    network[0].weight.data = torch.eye(2)[:, :, None, None]
    network[4].weight.data = 4 * torch.tensor([[2.0, -1.0], [-1.0, 1.0]])
    for part in (network[0], network[4]):
        part.bias.data.zero_()
    return network.eval()


def small() -> nn.Sequential:
    """Three classes from 8×12 pixels; a grid of 4×6 positions; a later module writes in place."""
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 5, 3),
        nn.ELU(inplace=True),
        nn.AdaptiveAvgPool2d((1, 2)),
        nn.Flatten(),
        nn.Linear(10, 3),
    )
    for number, weight in enumerate(network.parameters()):
        weight.data = normal(*weight.shape, seed=number) * 0.5
    return network.eval()


IMAGES = normal(3, 3, 8, 12, seed=7)
TARGETS = [Target(0), Target(2, versus=1), Target(1)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(0), [[0.5, 0], [0, 1]]),  # 2·first − second = [[2, −3], [−1, 4]]
        (Target(1), [[0, 1], [1 / 3, 0]]),  # second − first = [[−1, 3], [1, −2]]
        (Target(0, versus=1), [[0.5, 0], [0, 1]]),  # 3·first − 2·second = [[3, −6], [−2, 6]]
        (Target(1, versus=0), [[0, 1], [1 / 3, 0]]),
    ],
)
@pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "shapley_cam"])
def test_grad_cam_by_hand(target: Target, expected: list, method: str) -> None:
    """Every gradient is the same at all positions, and second derivatives are zero: the three methods agree."""
    maps = class_activation_maps(SplitModel(pooled(), "1"), IMAGE, [target], method)
    np.testing.assert_allclose(maps, [expected], atol=1e-6)


@pytest.mark.parametrize("versus", [None, 0])
def test_ablation_cam_by_hand_also_where_the_score_is_negative(versus: int | None) -> None:
    """Without the first channel class 1 gains 3 and without the second it loses 4: −3·first + 4·second.

    The logits are 2 and 1, and with ``versus`` the score is −1; then the channels weigh −9 and 8.
    """
    expected = np.maximum(-3 * np.array(FIRST) + 4 * np.array(SECOND), 0)
    if versus is not None:
        expected = np.maximum(-9 * np.array(FIRST) + 8 * np.array(SECOND), 0)
    maps = class_activation_maps(SplitModel(pooled(), "1"), IMAGE, [Target(1, versus)], "ablation_cam")
    np.testing.assert_allclose(maps[0], expected / expected.max(), atol=1e-6)


def test_ablation_cam_sets_channels_to_zero_also_where_no_activation_is() -> None:
    """All activations are positive; each channel weighs what it adds: 2·8 and −10 to class 0."""
    image = IMAGE + 1
    expected = np.maximum(14 * np.array(FIRST) + 14 - 8 * np.array(SECOND) - 8, 0)
    maps = class_activation_maps(SplitModel(pooled(), "1"), image, [Target(0)], "ablation_cam")
    low = expected.min()
    high = expected.max()
    np.testing.assert_allclose(maps[0], (expected - low) / (high - low), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 20, 3, 5), (2, 3, 6, 6)])
def test_eigen_cam_equals_the_packages_up_to_its_sign(shape: tuple[int, ...]) -> None:
    """With more channels than positions, and with fewer."""
    activations = normal(*shape).abs().numpy()
    split = SplitModel(nn.Sequential(nn.Identity(), nn.Flatten()).eval(), "0")
    cam = EigenCAM(CutNetwork(split, torch.from_numpy(activations)), [])
    maps = cam.get_cam_image(torch.from_numpy(activations), None, [], activations, activations, False)
    expected = get_2d_projection(activations)
    signs = np.sign((maps * expected).sum((1, 2), keepdims=True))
    np.testing.assert_allclose(maps * signs, expected, atol=1e-5)


def test_several_methods_give_the_maps_of_each() -> None:
    split = SplitModel(small(), "1")
    methods = ["grad_cam", "eigen_cam", "layer_cam", "shapley_cam"]
    maps = maps_by_method(split, IMAGES, TARGETS, methods)
    assert list(maps) == methods
    for method in methods:
        np.testing.assert_array_equal(maps[method], class_activation_maps(split, IMAGES, TARGETS, method))


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "ablation_cam", "shapley_cam", "xgrad_cam"])
def test_no_place_speaks_for_a_against_b_and_for_b_against_a(method: str) -> None:
    split = SplitModel(small(), "1")
    images = normal(4, 3, 8, 12)
    one = class_activation_maps(split, images, [Target(0, versus=1)] * 4, method)
    other = class_activation_maps(split, images, [Target(1, versus=0)] * 4, method)
    assert one.max() == other.max() == 1
    assert not (one * other).any()  # the layer's grid is that of the pixels


@pytest.mark.parametrize("layer", ["_swish", "_blocks.11._swish:0", "_blocks.5._swish:1"])
def test_a_module_that_is_called_many_times_equals_autograd_by_hand(layer: str) -> None:
    model = load_model("efficientnet_lite0", "package", input_size=64)
    images = normal(2, 3, 64, 64)
    targets = [Target(3), Target(700, versus=9)]
    name, _, call = layer.partition(":")
    module = model.module.get_submodule(name)
    calls = []
    kept = []
    count = module.register_forward_hook(lambda _, __, output: calls.append(0))
    model.module(images)
    count.remove()
    asked = int(call) if call else len(calls) - 1
    calls.clear()

    def keep(_: nn.Module, __: object, output: Tensor) -> Tensor | None:
        calls.append(0)
        if len(calls) - 1 != asked:
            return None
        kept.append(output.detach().clone().requires_grad_())
        return kept[0].clone()

    handle = module.register_forward_hook(keep)
    logits = model.module(images)
    handle.remove()
    sum(target(scores) for target, scores in zip(targets, logits, strict=True)).backward()
    activations = kept[0]
    weights = activations.grad.mean((2, 3), keepdim=True)
    expected = (weights * activations).sum(1).clamp(min=0).detach().numpy()
    maps = class_activation_maps(SplitModel(model, layer), images, targets)
    assert maps.max((1, 2)).tolist() == [1, 1]
    np.testing.assert_allclose(maps, enlarged(expected, (64, 64)), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_maps_between_0_and_1_image_by_image(method: str, capfd: pytest.CaptureFixture) -> None:
    """Rows of a batch do not depend on each other; nothing is printed."""
    split = SplitModel(small(), "2")
    maps = class_activation_maps(split, IMAGES, TARGETS, method)
    assert (maps.shape, maps.dtype) == ((3, 8, 12), np.float32)
    assert maps.min() == 0
    assert maps.max() == 1
    for position in range(3):
        one = class_activation_maps(split, IMAGES[position, None], [TARGETS[position]], method)
        np.testing.assert_allclose(one[0], maps[position], atol=1e-5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", METHODS)
def test_network_images_and_random_states_stay_as_they_were(method: str) -> None:
    """Also for a network whose weights can be trained, and which is given images that record gradients."""
    network = small()
    images = IMAGES.clone().requires_grad_()
    network[4].weight.requires_grad_(False)
    for weight in network.parameters():
        weight.grad = torch.full_like(weight, 7.0)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    np.random.seed(77)  # noqa: NPY002
    random_states = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    class_activation_maps(SplitModel(network, "2"), images, TARGETS, method)
    assert torch.equal(images, IMAGES)
    assert images.grad is None
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert [name for name, weight in network.named_parameters() if not weight.requires_grad] == ["4.weight"]
    assert all((weight.grad == 7).all() for weight in network.parameters())
    assert not any(part._forward_hooks or part._backward_hooks for part in network.modules())
    assert torch.equal(random_states[0], torch.get_rng_state())
    assert all(np.array_equal(*states) for states in zip(random_states[1], np.random.get_state(), strict=True))  # noqa: NPY002


class Broken(nn.Module):
    """Stands for a class of the package that fails with the error that the package's own ``with`` hides."""

    def __init__(self, model: nn.Module, target_layers: list[nn.Module]) -> None:
        super().__init__()
        self.activations_and_grads = self
        self.layer = target_layers[0]
        self.handle = self.layer.register_forward_hook(lambda *_: None)

    def forward(self, input_tensor: Tensor, targets: list) -> None:
        raise IndexError("out of range")

    def release(self) -> None:
        self.handle.remove()
        RELEASED.append(self.layer)


RELEASED: list[nn.Module] = []


def test_an_error_inside_the_package_is_raised_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conceptrast.saliency.grad_cam.resolve", lambda *_: Broken)
    network = small()
    with pytest.raises(IndexError, match="out of range"):
        class_activation_maps(SplitModel(network, "2"), IMAGES, TARGETS)
    assert len(RELEASED) == 1
    assert not RELEASED[0]._forward_hooks
    assert all(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_parameters_will_do(method: str) -> None:
    network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    image = torch.zeros(1, 3, 8, 8)
    image[:, 0, :4] = 1.0
    image[:, 1, 4:] = 2.0
    maps = class_activation_maps(SplitModel(network, "1"), image, [Target(0)], method)
    assert maps.shape == (1, 8, 8)


@pytest.mark.parametrize("method", METHODS)
def test_the_callers_inference_mode_and_memory_format_do_not_matter(method: str) -> None:
    split = SplitModel(small(), "2")
    expected = class_activation_maps(split, IMAGES, TARGETS, method)
    with torch.inference_mode():
        images = IMAGES.to(memory_format=torch.channels_last)
        maps = class_activation_maps(split, images, TARGETS, method)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_gradients_are_recorded_also_where_the_caller_records_none() -> None:
    """The layer's activations are the image itself, which inference mode does not let record gradients."""
    network = nn.Sequential(nn.Identity(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    split = SplitModel(network, "0")
    image = normal(1, 3, 8, 8)
    expected = class_activation_maps(split, image, [Target(0)])
    assert expected.max() == 1
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert np.array_equal(class_activation_maps(split, image.clone(), [Target(0)]), expected)


def test_kernel_pca_draws_from_the_seed_alone() -> None:
    """At more than 200 positions its solver starts from a drawn vector."""
    split = SplitModel(small(), "0")
    images = normal(2, 3, 16, 16)
    first = class_activation_maps(split, images, TARGETS[:2], "kpca_cam", seed=3)
    np.random.seed(99)  # noqa: NPY002
    assert np.array_equal(first, class_activation_maps(split, images, TARGETS[:2], "kpca_cam", seed=3))


class Untraceable(nn.Module):
    """Its control flow depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = small()

    def forward(self, images: Tensor) -> Tensor:
        return self.parts(images if images.sum() > -1e9 else -images)


@pytest.mark.parametrize("method", ["grad_cam", "ablation_cam", "score_cam", "shapley_cam"])
def test_a_network_that_cannot_be_traced_gives_the_same_maps(method: str) -> None:
    split = SplitModel(Untraceable().eval(), "parts.2", example=IMAGES)
    expected = class_activation_maps(SplitModel(small(), "2"), IMAGES, TARGETS, method)
    np.testing.assert_allclose(class_activation_maps(split, IMAGES, TARGETS, method), expected, atol=1e-5)


def test_a_map_is_zero_where_nothing_speaks_for_the_target() -> None:
    network = pooled()
    network[4].weight.data[0] = -1
    assert not class_activation_maps(SplitModel(network, "1"), IMAGE, [Target(0)]).any()


def test_enlarging_keeps_places_and_takes_off_what_is_negative() -> None:
    maps = np.array([[[-5.0, 0.0, 2.0], [0.0, 4.0, 0.0]], [[3.0, 3.0, 3.0], [3.0, 3.0, 3.0]]])
    large = enlarged(maps, (4, 9))
    assert (large.shape, large.dtype) == ((2, 4, 9), np.float32)
    np.testing.assert_allclose(large[0, [0, 3], [8, 4]], [0.5, 1])
    assert large[0, 0, 0] == 0
    assert not large[1].any()
    tiny = enlarged(1e-12 * np.maximum(maps, 0), (4, 9))
    np.testing.assert_allclose(tiny, large, atol=1e-5)


def test_bad_input_is_refused() -> None:
    split = SplitModel(small(), "2")
    with pytest.raises(ConfigError, match=r"unknown CAM method 'gradcam'; nearest: grad_cam"):
        class_activation_maps(split, IMAGES, TARGETS, "gradcam")
    with pytest.raises(ShapeError, match="2 targets for 3 images"):
        class_activation_maps(split, IMAGES, TARGETS[:2])
    with pytest.raises(ConfigError, match="class 3 does not exist: the network has classes 0 to 2"):
        class_activation_maps(split, IMAGES, [*TARGETS[:2], Target(3)])
    with pytest.raises(ShapeError, match="images have 1 channel, but the network takes 3"):
        class_activation_maps(split, IMAGES[:, :1], TARGETS)
    large = SplitModel(nn.Sequential(nn.Conv2d(3, 2, 5), nn.ReLU(), nn.Flatten()).eval(), "1")
    with pytest.raises(ShapeError, match="smaller than the 5×5 kernel"):
        class_activation_maps(large, IMAGES[..., :4], TARGETS)


def test_a_layer_without_positions_or_with_a_single_one_is_refused() -> None:
    with pytest.raises(LayerError, match=r"layer '7' gives activations \[3, 10\] without positions"):
        class_activation_maps(SplitModel(small(), "7"), IMAGES, TARGETS)
    with pytest.raises(LayerError, match="layer '2' has a single position: there is nowhere to look"):
        class_activation_maps(SplitModel(pooled(), "2"), IMAGE, [Target(0)])


@pytest.mark.parametrize("method", METHODS)
def test_activations_that_are_zero_throughout_are_an_error_that_names_the_image(method: str) -> None:
    images = torch.cat([IMAGE, IMAGE, -IMAGE, IMAGE])
    with pytest.raises(LayerError, match="layer '1' gives activations that are zero throughout for image 2 of 4"):
        class_activation_maps(SplitModel(pooled(), "1"), images, [Target(0)] * 4, method)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_logits_and_maps_that_are_not_finite_are_errors() -> None:
    images = torch.cat([IMAGE, torch.full_like(IMAGE, 3e38)])
    with pytest.raises(ModelError, match="logits that are not finite, first for image 1"):
        class_activation_maps(SplitModel(pooled(), "1"), images, [Target(0)] * 2)
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), Root(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    network[0].weight.data = torch.eye(2)[:, :, None, None]
    network[0].bias.data = torch.zeros(2)
    with pytest.raises(ModelError, match="a grad_cam map that is not finite, first for image 0"):
        class_activation_maps(SplitModel(network, "1"), IMAGE, [Target(0)])


class Root(nn.Module):
    """Finite at zero, its slope is not."""

    def forward(self, values: Tensor) -> Tensor:
        return values.sqrt()


def test_a_network_that_makes_its_pictures_grey_itself_has_maps() -> None:
    class Grey(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.relu = nn.ReLU()
            self.head = nn.Linear(2, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.relu(self.conv(images.mean(1, keepdim=True))).mean((2, 3)))

    torch.manual_seed(0)
    images = torch.rand(1, 3, 8, 8)
    split = SplitModel(Grey().eval(), "relu", images)
    assert class_activation_maps(split, images, [Target(0)]).shape == (1, 8, 8)
