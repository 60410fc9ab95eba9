"""Class activation maps beside the grad-cam package used as its users do, with hooks on a module, and beside Captum.

The networks are such that hooks are right: no module is called twice, nothing writes in place.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from conceptrast.base.registry import resolve
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.split import SplitModel
from conceptrast.saliency import METHODS
from conceptrast.saliency.grad_cam import class_activation_maps, enlarged
from conceptrast.saliency.targets import Target

# isort: split
import pytorch_grad_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

TARGETS = [Target(1), Target(0, versus=2), Target(2)]
CHANGED = {"ablation_cam": "AblationCAM", "score_cam": "ScoreCAM", "shapley_cam": "ShapleyCAM"}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(side: int) -> nn.Sequential:
    """Six channels on a grid of half as many positions a side as pixels, then three classes, not linear."""
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, padding=1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(20, 3),
    )
    for number, weight in enumerate(network.parameters()):
        weight.data = normal(*weight.shape, seed=number + side) * 0.4
    network[-1].bias.data = torch.tensor([7.0, 4.0, 2.0])  # scores are positive, which the package's AblationCAM needs
    return network.eval()


def with_hooks(name: str, network: nn.Module, layer: nn.Module, images: Tensor, targets: list) -> np.ndarray:
    """What the package gives when its user hooks a module."""
    kind = getattr(pytorch_grad_cam, CHANGED.get(name) or resolve("CAM method", name, METHODS).__name__)
    np.random.seed(5)  # noqa: NPY002 - kernel PCA draws where it starts
    return kind(model=network, target_layers=[layer])(input_tensor=images, targets=targets)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", [8, 30])  # kernel PCA has another solver for more than 200 positions
def test_every_method_equals_the_package_with_its_hooks(method: str, side: int) -> None:
    network = plain(side)
    images = normal(3, 3, side, side)
    with torch.no_grad():
        assert min(float(target(logits)) for target, logits in zip(TARGETS, network(images), strict=True)) > 0
    maps = class_activation_maps(SplitModel(network, "1"), images, TARGETS, method, seed=5)
    expected = with_hooks(name=method, network=network, layer=network[1], images=images, targets=TARGETS)
    assert maps.max() == 1
    np.testing.assert_allclose(maps, expected, atol=2e-4)


def test_resnet18_equals_the_package_and_captum() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.resnet18(weights=None).eval()
    images = normal(2, 3, 96, 96)
    classes = [3, 700]
    ours = class_activation_maps(
        SplitModel(network, "layer3"), images, [Target(class_index) for class_index in classes]
    )
    by_class = [ClassifierOutputTarget(class_index) for class_index in classes]
    np.testing.assert_allclose(
        ours,
        with_hooks(name="grad_cam", network=network, layer=network.layer3, images=images, targets=by_class),
        rtol=1e-3,
        atol=1e-4,
    )
    maps = LayerGradCam(network, network.layer3).attribute(images, torch.tensor(classes), relu_attributions=True)
    np.testing.assert_allclose(ours, enlarged(maps.detach().numpy()[:, 0], (96, 96)), rtol=1e-3, atol=1e-4)
