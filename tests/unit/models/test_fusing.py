"""Fused convolutions give what the network gives, and what cannot be fused is left as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.folding import convolutions_as_modules, fold_batch_norms
from conceptrast.models.fusing import FusedConvolution, fuse_convolutions
from conceptrast.models.split import SplitModel

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Weights and images are the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Residual(nn.Module):
    """Sums of every kind: fused, written in place, spread over positions, and written to what others use."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        y = self.second(x)
        if self.kind == "sum":
            return functional.relu(y + x)
        if self.kind == "in place":
            y += x
            return functional.relu_(y)
        if self.kind == "six":
            return functional.relu6(torch.add(x, y))
        if self.kind == "spread":
            return functional.relu(y + x.mean((2, 3), keepdim=True))
        if self.kind == "scaled":
            return functional.relu(torch.add(y, x, alpha=2))
        if self.kind == "number":
            return functional.relu(y + 1)
        if self.kind == "twice":
            return functional.relu(y + y)
        if self.kind == "used again":
            return (y + x) * y
        x += y
        return functional.relu(x) + x


def fused_parts(module: fx.GraphModule) -> list[FusedConvolution]:
    return [part for part in module.modules() if isinstance(part, FusedConvolution)]


KINDS = ["sum", "in place", "six", "spread", "scaled", "number", "twice", "used again", "other in place"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [8, 5])
def test_every_kind_of_sum_gives_the_same(kind: str, size: int) -> None:
    network = Residual(kind).eval().requires_grad_(False)
    images = torch.randn(2, 3, size, size)
    fused = fuse_convolutions(fx.symbolic_trace(network), torch.float32)
    assert len(fused_parts(fused)) == 2
    expected = network(images)
    with torch.no_grad():
        torch.testing.assert_close(fused(images), expected, rtol=1e-5, atol=1e-5)
        smaller = images[:, :, :4, :3]
        torch.testing.assert_close(fused(smaller), network(smaller), rtol=1e-5, atol=1e-5)


def test_the_sum_and_the_relu_become_part_of_the_convolution() -> None:
    fused = fuse_convolutions(fx.symbolic_trace(Residual("sum").eval()), torch.float32)
    assert [node.op for node in fused.graph.nodes] == ["placeholder", "call_module", "call_module", "output"]
    assert [part.rectifier[0] for part in fused_parts(fused)] == ["none", "relu"]


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet50", "layer2"), ("resnet18", "layer4"), ("mobilenet_v2", "features.18"), ("densenet121", "features")],
)
def test_networks_of_torchvision_give_the_same_activations(name: str, layer: str) -> None:
    network = getattr(torchvision.models, name)(weights=None).eval().requires_grad_(False)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.3)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    images = torch.randn(2, 3, 64, 64)
    split = SplitModel(network, layer)
    fast = split.for_inference("float32")
    assert fused_parts(fast._prefix)
    assert fast.for_inference("float32") is fast
    with torch.no_grad():
        activations = split.prefix(images)
        scale = activations.abs().max()
        torch.testing.assert_close(fast.prefix(images) / scale, activations / scale, rtol=0, atol=1e-5)
        rounded = split.for_inference("bfloat16")
        with torch.autocast("cpu", torch.bfloat16):
            difference = rounded.prefix(images).float() - activations
    assert difference.norm() < 0.02 * activations.norm()


class Called(nn.Module):
    """A convolution that is called as a function, with zeros around its input and a batch norm behind it."""

    def __init__(self, border: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d(border)
        self.weight = nn.Parameter(torch.randn(4, 1, 3, 3))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(functional.conv2d(self.pad(x), self.weight, stride=2, groups=2))


@pytest.mark.parametrize(("border", "padding"), [((1, 1, 2, 2), (2, 1)), ((0, 1, 0, 1), (0, 0)), ((-1,) * 4, (0, 0))])
def test_a_convolution_called_as_a_function_is_folded(border: tuple[int, int, int, int], padding: tuple) -> None:
    network = Called(border).eval().requires_grad_(False)
    nn.init.normal_(network.norm.running_mean)
    traced = fx.symbolic_trace(network)
    folded = fold_batch_norms(traced)
    [convolution] = [part for part in folded.modules() if isinstance(part, nn.Conv2d)]
    assert convolution.padding == padding
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    images = torch.randn(2, 2, 9, 8)
    torch.testing.assert_close(folded(images), network(images), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(traced(images), network(images), rtol=0, atol=0)


class OtherWeights(nn.Module):
    """Calls of convolutions that no module stands for: weights that are computed, padding by name."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "computed":
            return functional.conv2d(x, self.weight * 2)
        return functional.conv2d(x, self.weight, padding="same")


@pytest.mark.parametrize("kind", ["computed", "named padding"])
def test_other_calls_stay(kind: str) -> None:
    traced = fx.symbolic_trace(OtherWeights(kind).eval())
    changed = convolutions_as_modules(traced)
    assert not list(changed.children())
    images = torch.randn(1, 3, 6, 6)
    assert torch.equal(changed(images), traced(images))


def test_what_has_hooks_or_another_number_format_stays() -> None:
    hooked = nn.Sequential(nn.Conv2d(3, 4, 1)).eval()
    hooked[0].register_forward_hook(lambda *_: None)
    double = nn.Sequential(nn.Conv2d(3, 4, 1)).double().eval()
    reflecting = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")).eval()
    for network in (hooked, double, reflecting):
        assert fuse_convolutions(fx.symbolic_trace(network), torch.float32) is None


def test_a_hook_on_the_relu_keeps_it() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).eval()
    network[1].register_forward_hook(lambda *_: None)
    fused = fuse_convolutions(fx.symbolic_trace(network), torch.float32)
    assert any(isinstance(part, nn.ReLU) for part in fused.modules())


def test_the_network_keeps_its_weights() -> None:
    network = torchvision.models.resnet18(weights=None).eval().requires_grad_(False)
    before = {key: values.clone() for key, values in network.state_dict().items()}
    with torch.no_grad():
        SplitModel(network, "layer2").for_inference("bfloat16").prefix(torch.randn(1, 3, 32, 32))
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], values) for key, values in before.items())
