"""A network cut in two gives what the whole gives, and is left as it was."""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.layers import cuttable_layers, last_spatial_layer
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel

CUTS = {
    "resnet18": {"layer3.1": True, "layer4.1": True},
    "resnet50": {"layer3.5": True, "layer4.2": True},
    "vgg16": {"features.16": True, "features.29": True},
    "densenet121": {"features.denseblock3": False, "features.norm5": False},
    "mobilenet_v2": {"features.13": False, "features.18": True},
    "efficientnet_b0": {"features.5": False, "features.8": False},
    "convnext_tiny": {"features.5": False, "features.7": False},
}


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    """The networks that a test makes have the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def images(count: int = 3, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))


def network(name: str) -> nn.Module:
    return NARROW.get(name, getattr(torchvision.models, name))(weights=None).eval().requires_grad_(False)


def vgg16_with_a_narrow_head(weights: None) -> nn.Module:
    """Of the 138 million weights of VGG-16, 124 million are in the linear layers after all cuts: here they are few."""
    with torch.device("meta"):  # shapes without values
        module = torchvision.models.vgg16(weights=weights, init_weights=False)
    head = module.classifier
    head[0] = nn.Linear(head[0].in_features, 16)
    head[3] = nn.Linear(16, 16)
    head[6] = nn.Linear(16, head[6].out_features)
    for part in module.features:
        if isinstance(part, nn.Conv2d):
            part.to_empty(device="cpu").reset_parameters()
    return module


NARROW = {
    "vgg16": vgg16_with_a_narrow_head,
    "resnet50": partial(torchvision.models.resnet50, width_per_group=16),
}


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network("resnet50")


@pytest.fixture(scope="module")
def lite0() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EfficientNet.from_name("efficientnet-lite0").eval().requires_grad_(False)


def hooks(module: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)


@pytest.mark.parametrize("name", CUTS)
@torch.no_grad()
def test_the_halves_give_the_whole_and_leave_it_alone(name: str) -> None:
    model = network(name)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    attributes = {part: set(vars(module)) for part, module in model.named_modules()}
    whole = model(images())
    for layer, rectified in CUTS[name].items():
        split = SplitModel(model, layer)
        activations = split.prefix(images())
        kept = activations.clone()
        torch.testing.assert_close(split.suffix(activations), whole)
        torch.testing.assert_close(activations, kept, rtol=0, atol=0)
        assert split.rectified is rectified
        assert (activations.min() >= 0) == rectified
    assert hooks(model) == 0
    assert all(set(vars(module)) == attributes[part] for part, module in model.named_modules())
    torch.testing.assert_close(model.state_dict(), weights, rtol=0, atol=0)
    torch.testing.assert_close(model(images()), whole, rtol=0, atol=0)


@pytest.mark.parametrize(("layer", "shape"), [("_swish", (1280, 7, 7)), ("_blocks.11._swish:0", (672, 14, 14))])
@torch.no_grad()
def test_a_batch_size_that_crosses_comes_from_the_activations(
    lite0: nn.Module, layer: str, shape: tuple[int, ...]
) -> None:
    split = SplitModel(lite0, layer)
    activations = split.prefix(images(2, 224))
    assert activations.shape[1:] == shape
    assert split.rectified
    torch.testing.assert_close(split.suffix(activations), lite0(images(2, 224)))
    assert split.suffix(activations[:1].repeat(5, 1, 1, 1)).shape == (5, 1000)


@torch.no_grad()
def test_calls_of_a_reused_module_have_numbers_and_the_bare_name_is_the_last(lite0: nn.Module) -> None:
    x = images(1, 64)
    bare, last = (SplitModel(lite0, f"_blocks.3._swish{call}") for call in ("", ":1"))
    torch.testing.assert_close(bare.prefix(x), last.prefix(x), rtol=0, atol=0)
    assert "_blocks.5._swish:0" in cuttable_layers(lite0)


@torch.no_grad()
def test_a_block_is_cut_where_it_ends(resnet50: nn.Module) -> None:
    seen: list[Tensor] = []
    handle = resnet50.layer3[5].register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    resnet50(images())
    handle.remove()
    for layer in ("layer3.5", "layer3", "layer3.5.relu"):
        torch.testing.assert_close(SplitModel(resnet50, layer).prefix(images()), seen[0])


@torch.no_grad()
def test_the_layer_is_what_it_gave_before_the_next_overwrote_it(resnet50: nn.Module) -> None:
    split = SplitModel(resnet50, "bn1")  # torchvision's ReLU after it works in place
    activations = split.prefix(images())
    assert activations.min() < 0
    kept = activations.clone()
    torch.testing.assert_close(split.suffix(activations), resnet50(images()))
    torch.testing.assert_close(activations, kept, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("layer4.2.conv1", ["'layer4.2.conv1'", "'layer4.1' also", "skip", "layer4.2 (the whole block), layer4.1"]),
        ("layr3.5", ["unknown layer 'layr3.5'", "layer3.5"]),
        ("layer3.5.relu:9", ["unknown layer", "layer3.5.relu"]),
        ("", ["unknown layer ''"]),
    ],
)
def test_a_cut_that_cannot_be_is_refused_with_what_can(resnet50: nn.Module, layer: str, words: list[str]) -> None:
    with pytest.raises(LayerError) as caught:
        SplitModel(resnet50, layer)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_cut_inside_a_dense_block_is_refused() -> None:
    with pytest.raises(LayerError, match=r"skip connection.*nearest layers that can be cut: .*features\.denseblock3"):
        SplitModel(network("densenet121"), "features.denseblock3.denselayer20.conv2")


def test_every_layer_that_is_called_cuttable_is(resnet50: nn.Module) -> None:
    names = cuttable_layers(resnet50)
    assert {"relu", "layer1.0", "layer3.5", "layer4", "avgpool", "fc"} <= set(names)
    assert not {"layer4.2.conv1", "layer1.0.downsample", "layer2.1.relu:0"} & set(names)
    for name in names[:: len(names) // 8]:
        SplitModel(resnet50, name, images(2, 33))  # an example makes it check itself


def test_layers_of_a_model_are_those_of_its_network(resnet50: nn.Module) -> None:
    model = Model("net", resnet50, Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3))
    assert cuttable_layers(model) == cuttable_layers(resnet50)


def test_training_mode_is_refused(resnet50: nn.Module) -> None:
    training = copy.deepcopy(resnet50)
    training.layer3[2].train()
    with pytest.raises(ModelError, match=r"layer3\.2 is in training mode.*eval"):
        SplitModel(training, "layer4")


def test_a_model_brings_its_own_size_and_is_checked() -> None:
    preprocess = Preprocess(48, 48, (0.5,) * 3, (0.5,) * 3)
    model = Model("toy", network("resnet18"), preprocess, [str(number) for number in range(1000)])
    assert SplitModel(model, "layer3").prefix(images(1, 48)).shape == (1, 256, 3, 3)


class Crossing(nn.Module):
    """A network whose second half needs something of the image."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.conv = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        batch = x.shape[0]
        offset = torch.tensor([0.5])
        y = self.act(self.conv(x))
        if self.what == "height":
            return y.flatten(1)[:, :4] / height
        if self.what == "image":
            return (y.mean() * x).mean((2, 3))
        if self.what == "mean":
            return y.mean((2, 3)) + x.mean()
        if self.what == "doubled batch":
            return y.reshape(batch * 2, -1).reshape(batch, -1) + offset
        return y.relu_().mean((2, 3)) + offset


@pytest.mark.parametrize(
    ("what", "words"), [("height", "image's size"), ("image", "image itself"), ("mean", "'mean_1'")]
)
def test_other_values_that_cross_are_refused(what: str, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        SplitModel(Crossing(what).eval(), "act")


@pytest.mark.parametrize("what", ["nothing", "doubled batch"])
@torch.no_grad()
def test_constants_and_numbers_made_from_the_batch_size_are_rebuilt(what: str) -> None:
    module = Crossing(what).eval()
    before = set(vars(module))
    split = SplitModel(module, "act", images())
    assert set(vars(module)) == before
    torch.testing.assert_close(split.suffix(split.prefix(images(2))), module(images(2)))


class Untraceable(nn.Module):
    """A network that asks its input a question, as tracing cannot."""

    def __init__(self, skip: bool = False, fails: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), act=nn.ReLU(inplace=True)))
        self.head = nn.Linear(4, 2)
        self.skip = skip
        self.fails = fails

    def forward(self, x: Tensor) -> Tensor:
        if x.isnan().any():
            raise ValueError("not a number")
        y = self.body(x).mean((2, 3))
        if self.fails:
            raise RuntimeError("broken head")
        return self.head(y) + (x.mean((1, 2, 3))[:, None] if self.skip else 0)


@torch.no_grad()
def test_what_cannot_be_traced_is_cut_by_a_hook_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    module = Untraceable().eval()
    with caplog.at_level(logging.WARNING, "conceptrast"):
        split = SplitModel(module, "body.conv", images())
    assert "hook" in caplog.text
    activations = split.prefix(images())
    kept = activations.clone()
    torch.testing.assert_close(split.suffix(activations), module(images()))
    torch.testing.assert_close(activations, kept, rtol=0, atol=0)
    assert not split.rectified
    assert SplitModel(module, "body", images()).rectified
    assert hooks(module) == 0


def test_no_hook_is_left_behind_by_a_failure() -> None:
    module = Untraceable().eval()
    split = SplitModel(module, "body", images())
    activations = split.prefix(images())
    with pytest.raises(ValueError, match="not a number"):
        split.prefix(images() * float("nan"))
    module.fails = True
    with pytest.raises(RuntimeError, match="broken head"):
        split.suffix(activations)
    with pytest.raises(RuntimeError, match="broken head"):
        SplitModel(module, "body", images())
    assert hooks(module) == 0


def test_gradients_flow_through_both_halves_of_a_hooked_network() -> None:
    module = Untraceable().eval()
    split = SplitModel(module, "body", images())
    x = images().requires_grad_()
    (by_halves,) = torch.autograd.grad(split.suffix(split.prefix(x)).sum(), x)
    (whole,) = torch.autograd.grad(module(x).sum(), x)
    torch.testing.assert_close(by_halves, whole)


@pytest.mark.parametrize(
    ("layer", "skip", "words"),
    [("boddy", False, "nearest: body"), ("body:3", False, "calls 'body' 1 times"), ("body", True, "around the layer")],
)
def test_a_hooked_cut_that_cannot_be_is_refused(layer: str, skip: bool, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        SplitModel(Untraceable(skip).eval(), layer, images())


def test_a_hook_needs_an_example() -> None:
    with pytest.raises(ModelError, match="example image"):
        SplitModel(Untraceable().eval(), "body")


def test_the_last_spatial_layer_is_the_last_with_more_than_one_position() -> None:
    features = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    assert last_spatial_layer(network, torch.zeros(1, 3, 8, 8)) == "2"
    with pytest.raises(LayerError, match="nowhere to look"):
        last_spatial_layer(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval(), torch.zeros(1, 3, 2, 2))
    with pytest.raises(ModelError, match="name the layer"):
        last_spatial_layer(network)


def test_the_last_call_of_a_module_goes_by_its_name_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)
            self.relu = nn.ReLU()
            self.head = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.relu(self.conv(self.relu(x))).mean((2, 3)))

    assert last_spatial_layer(Twice().eval(), torch.zeros(1, 3, 6, 6)) == "relu"
