"""Attribution beside Captum's, on networks that Captum can take: no module twice, all nonlinearities on its list.

Captum 0.9 hooks the tensors between modules, so that of two nonlinearities in a row (ReLU, then max-pooling) one hook
takes the other's gradient and the sum of its attribution is off. ``apart`` puts a copy behind every nonlinearity of
Captum's network, which changes no value; ours runs the network as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from captum.attr import DeepLift, InputXGradient, IntegratedGradients
from torch import Tensor, nn

from conceptrast.attribution.deeplift import deeplift
from conceptrast.attribution.gradient import gradient_x_activation
from conceptrast.attribution.integrated_gradients import integrated_gradients
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.split import SplitModel

pytestmark = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks", "ignore:Input Tensor 0 did not")


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    """The networks that a test makes have the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Copy(nn.Module):
    """The same values in another tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


def apart(network: nn.Module) -> nn.Sequential:
    """A sequence with the modules of a sequential network, out of place, and a copy behind each."""
    leaves = [part for part in network.modules() if not isinstance(part, nn.Sequential)]
    return nn.Sequential(*(part for part in leaves for part in (nn.ReLU() if type(part) is nn.ReLU else part, Copy())))


def small(*parts: nn.Module) -> nn.Module:
    """A network of every nonlinearity on Captum's list, its weights the same every time."""
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, padding=1), nn.ELU(), *parts
    )
    generator = torch.Generator().manual_seed(3)
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.3
    return network.eval()


NETWORKS = [
    small(nn.MaxPool2d(2), nn.Sigmoid(), nn.Flatten(), nn.Linear(54, 4)),
    small(nn.LeakyReLU(0.2), nn.Conv2d(6, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 4)),
    small(nn.Softplus(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(24, 4)),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("count", [1, 4])
def test_deeplift_from_the_first_layer_on(network: nn.Module, count: int) -> None:
    split = SplitModel(network, "0")
    activations = normal(count, 6, 12, 12)
    baseline = normal(1, 6, 12, 12, seed=1)
    targets = torch.arange(count) % 4
    expected = DeepLift(apart(network[1:])).attribute(activations, baseline, target=targets).detach()
    torch.testing.assert_close(deeplift(split, activations, baseline, targets), expected, rtol=1e-5, atol=1e-5)


def test_deeplift_with_one_baseline_for_each_image() -> None:
    activations = normal(3, 6, 12, 12)
    baseline = normal(3, 6, 12, 12, seed=1)
    expected = DeepLift(apart(NETWORKS[0][1:])).attribute(activations, baseline, target=2).detach()
    attribution = deeplift(SplitModel(NETWORKS[0], "0"), activations, baseline, 2)
    torch.testing.assert_close(attribution, expected, rtol=1e-5, atol=1e-5)


def test_deeplift_at_a_layer_of_vgg16_with_three_max_poolings_behind_it() -> None:
    network = torchvision.models.vgg16(weights=None, init_weights=False).eval().requires_grad_(False)
    for part in network.features:
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)  # torch's own start lets activations fade to rounding noise
    split = SplitModel(network, "features.15")
    with torch.no_grad():
        activations = split.prefix(normal(2, 3, 64, 64))
        baseline = split.prefix(torch.ones(1, 3, 64, 64))
    suffix = nn.Sequential(network.features[16:], network.avgpool, nn.Flatten(), network.classifier)
    expected = DeepLift(apart(suffix)).attribute(activations, baseline, target=9).detach()
    attribution = deeplift(split, activations, baseline, 9)
    scale = expected.abs().max()
    torch.testing.assert_close(attribution / scale, expected / scale, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_gradient_x_activation(network: nn.Module) -> None:
    activations = normal(3, 6, 12, 12)
    expected = InputXGradient(network[1:]).attribute(activations.clone().requires_grad_(), target=1).detach()
    attribution = gradient_x_activation(SplitModel(network, "0"), activations, None, 1)
    torch.testing.assert_close(attribution, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_integrated_gradients(network: nn.Module) -> None:
    activations = normal(3, 6, 12, 12)
    baseline = normal(1, 6, 12, 12, seed=1)
    reference = IntegratedGradients(network[1:])
    expected = reference.attribute(activations, baseline, target=1, n_steps=12, method="gausslegendre").detach()
    attribution = integrated_gradients(SplitModel(network, "0"), activations, baseline, 1, steps=12)
    torch.testing.assert_close(attribution, expected, rtol=1e-4, atol=1e-5)
