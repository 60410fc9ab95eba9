"""The weights of a network in groups: order, sides of the layer, names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, LayerError, ModelError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.opening import load_model
from conceptrast.saliency.randomisation_stages import stages


def deep(n: int) -> nn.Sequential:
    """`n` convolutions and one linear layer."""
    convolutions = [part for _ in range(n) for part in (nn.Conv2d(1, 1, 1), nn.ReLU())]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(4, 2)).eval()


def names_and_sides(groups: list) -> list[tuple[str, bool]]:
    return [(stage.name, stage.above_layer) for stage in groups]


def test_few_weights_get_a_stage_each_and_the_output_comes_first():
    groups = stages(deep(3), "3")
    assert names_and_sides(groups) == [("7", True), ("4", True), ("2", False), ("0", False)]
    assert groups[1].parameters == ("4.weight", "4.bias")


@pytest.mark.parametrize("most", range(2, 9))
@pytest.mark.parametrize("layer", ["1", "7", "13"])
def test_every_weight_is_in_one_stage_and_there_are_no_more_than_asked_for(most: int, layer: str):
    network = deep(7)
    groups = stages(network, layer, most)
    assert len(groups) == min(most, 8)
    listed = [name for stage in groups for name in stage.parameters]
    assert sorted(listed) == sorted(name for name, _ in network.named_parameters())
    order = [int(name.split(".")[0]) for name in listed]
    assert order == sorted(order, reverse=True)
    assert [stage.above_layer for stage in groups] == sorted((stage.above_layer for stage in groups), reverse=True)
    for stage in groups:
        assert stage.above_layer == (int(stage.name) > int(layer))
    sizes = [len(stage.parameters) for stage in groups if not stage.above_layer]
    assert max(sizes) - min(sizes) <= 2  # blocks of two weights, grouped evenly


def test_a_block_that_the_layer_lies_in_is_parted():
    model = load_model("efficientnet_lite0", class_names=["a", "b"], input_size=32)
    groups = stages(model, "_blocks.11._swish:0", most=40)
    named = {stage.name: stage for stage in groups}
    above = named["_blocks.11._depthwise_conv"]
    below = named["_blocks.11"]
    assert (above.above_layer, below.above_layer) == (True, False)
    expected = {"_blocks.11._bn0.bias", "_blocks.11._bn0.weight", "_blocks.11._expand_conv.weight"}
    assert set(below.parameters) == expected
    assert "_blocks.11._project_conv.weight" in above.parameters
    assert "_blocks.12" in named
    assert names_and_sides(groups)[0] == ("_fc", True)
    assert names_and_sides(groups)[-1] == ("_conv_stem", False)


def test_residual_blocks_stay_whole():
    network = torchvision.models.resnet18(weights=None).eval()
    groups = stages(network, "layer3", most=20)
    names = ["fc", "layer4.1", "layer4.0", "layer3.1", "layer3.0", "layer2.1", "layer2.0", "layer1.1", "layer1.0"]
    assert [stage.name for stage in groups] == [*names, "bn1", "conv1"]
    assert [stage.above_layer for stage in groups] == [True] * 3 + [False] * 8
    assert "layer3.0.downsample.0.weight" in groups[4].parameters


class Wrapped(nn.Module):
    """A network inside a network, a weight of its own, one that is used twice and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(1))
        self.twice = nn.Conv2d(2, 2, 1)
        self.never = nn.Linear(3, 3)
        self.last = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        features = self.twice(self.inside(self.twice(images)))
        return self.last(self.scale * features.flatten(1))


def test_weights_that_are_used_on_both_sides_lie_below_and_unused_ones_nowhere():
    network = Wrapped().eval()
    network.inside[0] = nn.Conv2d(2, 2, 1)
    groups = {stage.name: stage for stage in stages(network, "inside.1")}
    assert list(groups) == ["last", "scale", "inside.2", "twice", "inside.0"]
    assert [stage.above_layer for stage in groups.values()] == [True, True, True, False, False]
    assert groups["scale"].parameters == ("scale",)


class Around(nn.Module):
    """Nothing but a network inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = Inside()

    def forward(self, images: Tensor) -> Tensor:
        return self.inside(images)


class Inside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1)
        self.last = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images).relu().flatten(1))


def test_a_network_that_wraps_another_is_taken_apart():
    assert names_and_sides(stages(Around().eval(), "inside.first")) == [("inside.last", True), ("inside.first", False)]
    network = nn.Sequential(nn.Sequential(deep(2)))
    assert names_and_sides(stages(network.eval(), "0.0.1")) == [("0.0.5", True), ("0.0.2", True), ("0.0.0", False)]


def test_a_layer_without_weights_above_it():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    assert names_and_sides(stages(network, "1")) == [("0", False)]


class Untraceable(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if images.sum() > 0 else -images


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="most is 1"):
        stages(deep(2), "1", most=1)
    with pytest.raises(LayerError, match="unknown layer '11'"):
        stages(deep(2), "11")
    with pytest.raises(ModelError, match="cannot be traced, so the order of its weights is not known"):
        stages(Untraceable().eval(), "")
