"""A view's layer is looked at before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from conceptrast.base.errors import LayerError
from conceptrast.models.split import SplitModel
from conceptrast.plan.analyses import analyses
from conceptrast.saliency.grad_cam import class_activation_maps
from conceptrast.saliency.targets import Target
from conceptrast.steps import check_layers


def check(layer: str) -> None:
    entry: dict[str, Any] = {"model": "net", "layer": layer}
    models = {"net": {"architecture": "resnet10"}}
    view = {"where": "saliency.mine", "entry": entry, "check": analyses()["saliency"].check}
    check_layers.main({"models": models, "checks": [view]})


def test_a_layer_in_which_there_is_nowhere_to_look_is_refused_before_the_run() -> None:
    check("layer4")
    with pytest.raises(LayerError, match=r"'saliency.mine': layer 'avgpool' has a single position"):
        check("avgpool")
    with pytest.raises(LayerError, match=r"'saliency.mine': layer 'fc' gives activations \[1, 2\] without positions"):
        check("fc")
    with pytest.raises(LayerError, match=r"'saliency.mine': unknown layer 'layer44'; nearest: layer4"):
        check("layer44")


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
