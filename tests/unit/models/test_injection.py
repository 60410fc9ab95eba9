"""Values put in at one layer arrive at a later one as by the network's own forward pass, and nothing stays changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.injection import Injection, layer_values, same_place
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel


class Block(nn.Module):
    """``relu(x + scale · x)``, whose rectifier writes in place as torchvision's do."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scaled = nn.Conv2d(1, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        nn.init.constant_(self.scaled.weight, scale)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        out = self.scaled(x)
        out += x
        return self.relu(out)


def blocks() -> nn.Sequential:
    """``3 x``, and then ``relu(3 x − 6 x)``, of pictures of one position."""
    return nn.Sequential(Block(2.0), Block(-2.0), nn.Flatten(), nn.Linear(1, 2, bias=False)).eval()


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    """With a quarter of the channels inside its blocks."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torchvision.models.resnet50(weights=None, num_classes=3, width_per_group=16)
    return module.eval().requires_grad_(False)


def images(count: int = 2, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def by_hook(module: nn.Module, layer: str, decode: str, x: Tensor, add: Tensor | float) -> Tensor:
    """The output of ``decode`` in the network's own forward pass, with something added to the output of a layer."""
    outputs: list[Tensor] = []
    parts = dict(module.named_modules())
    handles = [
        parts[layer].register_forward_hook(lambda _, __, output: output + add),
        parts[decode].register_forward_hook(lambda _, __, output: outputs.append(output.clone())),
    ]
    module(x)
    for handle in handles:
        handle.remove()
    return outputs[-1]


def test_a_value_inside_a_block_is_added_to_what_its_skip_connection_carries() -> None:
    """x = 1: the first block gives 1 + 2 = 3; in the second, −2 · 3 = −6 plus 10 is 4, and 4 + 3 = 7."""
    network = blocks()
    x = torch.ones(1, 1, 1, 1)
    injection = Injection(network, "1.scaled", "1", x)
    values, *around = injection.prefix(x)
    assert values.item() == -6
    assert [tensor.item() for tensor in around] == [3]
    assert injection.between(values, *around).item() == 0  # relu(−6 + 3)
    assert injection.between(values + 10, *around).item() == 7
    logits = injection.suffix(values + 10, *around)
    torch.testing.assert_close(logits, 7 * network[3].weight.view(1, 2))
    assert not injection.rectified


def test_a_value_between_blocks_needs_nothing_beside_it() -> None:
    """From 3 + 1 at the first block: relu(−8 + 4) = 0; from −5: relu(10 − 5) = 5."""
    network = blocks()
    x = torch.ones(1, 1, 1, 1)
    injection = Injection(network, "0", "1", x)
    [values] = injection.prefix(x)
    assert values.item() == 3
    assert injection.between(values + 1).item() == 0
    assert injection.between(values - 8).item() == 5
    assert injection.rectified


def test_tensors_of_the_caller_stay_as_they_are() -> None:
    network = blocks()
    x = torch.ones(2, 1, 1, 1)
    injection = Injection(network, "1.scaled", "1", x)
    tensors = injection.prefix(x)
    kept = [tensor.clone() for tensor in tensors]
    injection.between(*tensors)
    for tensor, before in zip(tensors, kept, strict=True):
        assert torch.equal(tensor, before)
    expanded = [tensors[0], tensors[1][:1].expand(2, 1, 1, 1)]
    assert torch.equal(injection.between(*expanded), injection.between(*tensors))


@pytest.mark.parametrize(
    ("layer", "decode", "n_around"),
    [
        ("layer4.2.conv1", "layer4", 1),
        ("layer4.0.conv1", "layer4.1", 1),
        ("layer4.0.downsample.0", "layer4", 1),
        ("layer3.5.bn2", "layer4", 1),
        ("layer3.5.relu:1", "layer3", 1),
        ("layer3", "layer4", 0),
        ("conv1", "layer1", 0),
    ],
)
@torch.no_grad()
def test_values_arrive_as_in_the_networks_own_forward_pass(
    resnet50: nn.Module, layer: str, decode: str, n_around: int
) -> None:
    injection = Injection(resnet50, layer, decode, images())
    values, *around = injection.prefix(images())
    assert len(around) == n_around
    change = torch.randn(values.shape, generator=torch.Generator().manual_seed(6)) * values.std()
    arrived = injection.between(values + change, *around)
    if ":" not in layer:
        torch.testing.assert_close(arrived, by_hook(resnet50, layer, decode, images(), change), rtol=1e-4, atol=1e-4)
    fast = injection.for_inference("float32")
    torch.testing.assert_close(fast.between(values + change, *around), arrived, rtol=1e-3, atol=1e-3)
    for one, other in zip(fast.prefix(images()), (values, *around), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(injection.suffix(values, *around), resnet50(images()), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_layer_of_a_dense_block_has_all_layers_before_it_around() -> None:
    module = torchvision.models.densenet121(weights=None).eval()
    injection = Injection(module, "features.denseblock4.denselayer3.conv2", "features.norm5", images())
    values, *around = injection.prefix(images())
    assert len(around) == 3  # the block's input, and what two layers have added to it
    arrived = by_hook(module, "features.denseblock4.denselayer3.conv2", "features.norm5", images(), 0.5)
    torch.testing.assert_close(injection.between(values + 0.5, *around), arrived, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_same_layer_twice_is_no_way_at_all(resnet50: nn.Module) -> None:
    for layer, decode in (("layer4", "layer4"), ("layer4.2", "layer4"), ("layer4", "layer4.2.relu")):
        injection = Injection(resnet50, layer, decode, images())
        [values] = injection.prefix(images())
        assert torch.equal(values, SplitModel(resnet50, decode).prefix(images()))
        assert torch.equal(injection.between(values + 1), values + 1)
        assert same_place(resnet50, layer, decode)
    assert not same_place(resnet50, "layer4", "layer3")


def test_gradients_reach_the_values(resnet50: nn.Module) -> None:
    injection = Injection(resnet50, "layer4.2.conv1", "layer4", images())
    model = Model("net", resnet50, Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3), ["a", "b", "c"])
    views = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    values, around = layer_values(model, injection, [(np.arange(2), views)])
    leaf = values.clone().requires_grad_()
    [gradient] = torch.autograd.grad(injection.suffix(leaf, *around)[:, 0].sum(), leaf)
    assert gradient.abs().sum() > 0
    # A small step along the gradient changes the logit as the gradient says.
    step = 1e-3 * gradient / gradient.norm()
    with torch.no_grad():
        gain = (injection.suffix(values + step, *around) - injection.suffix(values, *around))[:, 0].sum()
    assert float(gain) == pytest.approx(float((gradient * step).sum()), rel=0.1)


@pytest.mark.parametrize(
    ("layer", "decode", "words"),
    [
        ("layer4", "layer3", "values added at layer 'layer4' do not reach layer 'layer3'"),
        ("layer4.2.conv1", "layer4.1", "do not reach layer 'layer4.1': decode at the same layer or at a later one"),
        ("layer4.2.konv1", "layer4", "unknown layer 'layer4.2.konv1'; nearest: layer4.2.conv1"),
        ("layer3.5.relu:7", "layer4", "unknown layer 'layer3.5.relu:7'"),
        ("layer3", "layr4", "unknown layer 'layr4'; nearest: layer4"),
        ("layer3", "layer4.2.conv1", "cannot cut at layer 'layer4.2.conv1'.*'inject: layer4.2.conv1'"),
        ("layer3", "fc", "layer 'fc' gives activations .* without positions"),
        ("fc", "fc", "layer 'fc' gives activations .* without positions"),
    ],
)
def test_layers_that_cannot_be_are_refused(resnet50: nn.Module, layer: str, decode: str, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        Injection(resnet50, layer, decode, images())


class Untraceable(nn.Module):
    """A residual block in a network that asks its input a question, as tracing cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 1, 1)
        self.block = Block(2.0)
        self.head = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        if x.isnan().any():
            raise ValueError("not a number")
        return self.head(self.block(self.stem(x)).flatten(1))


@torch.no_grad()
def test_a_network_that_cannot_be_traced_gets_values_by_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    module = Untraceable().eval()
    x = images(2, 8)
    with caplog.at_level(logging.WARNING, "conceptrast"):
        injection = Injection(module, "block.scaled", "block", x)
    values, *around = injection.prefix(x)
    assert torch.equal(around[0], x)
    torch.testing.assert_close(injection.between(values + 1, *around), by_hook(module, "block.scaled", "block", x, 1))
    torch.testing.assert_close(injection.suffix(values, *around), module(x))
    fast = injection.for_inference("float32")
    torch.testing.assert_close(fast.between(values + 1, *around), injection.between(values + 1, *around))
    assert not injection.rectified
    assert not same_place(module, "block", "block.relu")
    assert hooks(module) == 0


def test_a_hook_says_what_cannot_be() -> None:
    module = Untraceable().eval()
    with pytest.raises(LayerError, match="values added at layer 'block' do not reach layer 'stem'"):
        Injection(module, "block", "stem", images(2, 8))
    with pytest.raises(LayerError, match="unknown layer 'blok'; nearest: block"):
        Injection(module, "blok", "block", images(2, 8))
    with pytest.raises(ModelError, match="example image"):
        Injection(module, "block.scaled", "block")
    assert hooks(module) == 0


def test_a_size_that_goes_around_a_layer_is_refused() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.conv(x) * x.shape[2]).mean((2, 3))

    with pytest.raises(LayerError, match="a number that depends on the image's size goes around it"):
        Injection(Scaled().eval(), "conv", "act", images())
