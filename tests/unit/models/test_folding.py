"""A folded cut is the same function, and the network it comes from does not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.split import SplitModel


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Weights are the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def trained_looking(network: nn.Module) -> nn.Module:
    """``network`` with statistics in its batch norms as training leaves them."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.bias):
                nn.init.normal_(values, std=0.3)
            for values in (part.running_var, part.weight):
                nn.init.uniform_(values, 0.5, 1.5)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(("name", "layer"), [("resnet18", "layer3"), ("mobilenet_v2", "features.10")])
def test_a_folded_network_gives_the_same_logits_and_leaves_the_model_alone(name: str, layer: str) -> None:
    network = trained_looking(getattr(torchvision.models, name)(weights=None))
    before = {key: values.clone() for key, values in network.state_dict().items()}
    images = torch.randn(2, 3, 64, 64)
    split = SplitModel(network, layer)
    folded = split.folded()
    whole = network(images)
    activations = split.prefix(images)
    for half in (folded._prefix, folded._suffix):
        assert not any(isinstance(part, nn.BatchNorm2d) for part in half.modules())
    scale = activations.abs().max()
    torch.testing.assert_close(folded.prefix(images) / scale, activations / scale, rtol=0, atol=1e-5)
    size = whole.abs().max()
    torch.testing.assert_close(folded.suffix(activations) / size, whole / size, rtol=0, atol=1e-5)
    halves = folded.suffix(folded.prefix(images))
    torch.testing.assert_close(halves / size, whole / size, rtol=0, atol=1e-5)
    torch.testing.assert_close(network(images), whole, rtol=0, atol=0)
    torch.testing.assert_close(split.prefix(images), activations, rtol=0, atol=0)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], values) for key, values in before.items())
    assert folded.folded() is folded


class TwoNorms(nn.Module):
    """One convolution that is called twice, each time with a norm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.first = nn.BatchNorm2d(3)
        self.second = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.convolution(self.first(self.convolution(x)))).mean((2, 3))


class AlsoUnnormed(nn.Module):
    """A convolution whose output is used before the norm, too."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x)
        return self.last(self.norm(y) + y).mean((2, 3))


def weight_normed() -> nn.Module:
    with pytest.warns(FutureWarning, match="weight_norm"):
        convolution = nn.utils.weight_norm(nn.Conv2d(3, 3, 1))  # recomputes its weight in a hook
    return nn.Sequential(convolution, nn.BatchNorm2d(3))


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (TwoNorms, "second"),
        (AlsoUnnormed, "last"),
        (weight_normed, "1"),
        (lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)), "2"),
    ],
    ids=["shared", "used before", "hooked", "apart"],
)
def test_what_cannot_be_folded_stays(network, layer: str) -> None:
    split = SplitModel(trained_looking(network()), layer)
    assert split.folded() is split
