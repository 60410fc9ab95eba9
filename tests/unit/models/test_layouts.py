"""Layouts of layers: known from modules, or measured by moving a spot, or refused with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptrast.ace.tcav import class_gradients
from conceptrast.attribution.smooth import smooth_attribution
from conceptrast.base.errors import LayerError, ShapeError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.recipes import Factors
from conceptrast.contrast.shift import ShiftOptions, shifted_probabilities
from conceptrast.dff.factorization import deep_feature_factorization
from conceptrast.models.layers import last_spatial_layer, layer_maps
from conceptrast.models.layouts import CHANNELS_FIRST, CHANNELS_LAST, Layout
from conceptrast.models.split import SplitModel
from conceptrast.saliency.grad_cam import class_activation_maps
from conceptrast.saliency.targets import Target
from tests.unit.models.token_networks import PATCHES, SIDE, Changed, ClassTokenNetwork

BLANK = torch.zeros(2, 3, SIDE, SIDE)


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    """The networks that a test makes have the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def images(count: int = 2, size: int = SIDE) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))


def network(name: str) -> nn.Module:
    return torchvision.models.get_model(name, weights=None).eval().requires_grad_(False)


def with_head(module: nn.Module) -> nn.Module:
    """A ViT whose head is drawn: torchvision's is zero."""
    nn.init.normal_(module.heads.head.weight, std=0.1)
    return module


# Measured


def shuffled(maps: Tensor) -> Tensor:
    """Tokens in an order that is not that of the picture."""
    order = torch.randperm(PATCHES, generator=torch.Generator().manual_seed(1))
    return maps.flatten(2)[:, :, order].transpose(1, 2)


@pytest.mark.parametrize(
    ("change", "layout"),
    [
        (lambda maps: 2 * maps, CHANNELS_FIRST),
        (lambda maps: maps.permute(0, 2, 3, 1), CHANNELS_LAST),
        (lambda maps: maps.flatten(2).transpose(1, 2), Layout("tokens", grid=(4, 4))),
        (
            lambda maps: torch.cat([maps.mean((2, 3))[:, None], maps.flatten(2).transpose(1, 2)], 1),
            Layout("tokens", class_tokens=1, grid=(4, 4)),
        ),
        # Mixed over all positions, as attention does
        (lambda maps: (maps + maps.mean((2, 3), keepdim=True)).permute(0, 2, 3, 1), CHANNELS_LAST),
    ],
)
def test_a_layout_that_no_module_tells_is_measured(change: Callable[[Tensor], Tensor], layout: Layout) -> None:
    outputs = change(torch.zeros(1, 3, 4, 4)).numel()
    split = SplitModel(Changed(change, outputs).eval(), "change", BLANK)
    assert split.layout == layout
    maps = split.prefix(images())
    assert maps.shape == (2, 3, 4, 4)
    output = change(nn.functional.avg_pool2d(images(), 8))
    torch.testing.assert_close(split.layout.output(maps, split.layout.class_tokens_of(output)), output)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda maps: maps.flatten(2).transpose(1, 2)[:, :15], "15 tokens are not the positions of a grid: .*square"),
        (shuffled, "does not move with the spot along rows and columns"),
        (lambda maps: maps.transpose(2, 3), "does not move with the spot along rows and columns"),
        (lambda maps: maps.unflatten(2, (2, 2)).permute(0, 2, 3, 1, 4).flatten(1, 2), "does not move with the spot"),
        (lambda maps: 0 * maps, "does not move with the spot"),
        (lambda maps: maps.permute(2, 3, 0, 1), "its first axis is not that of the 2 images"),
    ],
)
def test_a_layer_whose_positions_are_not_known_is_refused(change: Callable[[Tensor], Tensor], reason: str) -> None:
    module = Changed(change, change(torch.zeros(1, 3, 4, 4)).numel()).eval()
    with pytest.raises(
        LayerError, match=f"layer 'change' gives .*{reason}.*nearest layers whose layout is known: pool"
    ):
        SplitModel(module, "change", images())
    assert "change" not in layer_maps(module, images())


def test_the_proportion_of_the_picture_decides_about_the_grid_of_tokens() -> None:
    def change(maps: Tensor) -> Tensor:
        return maps.flatten(2).transpose(1, 2)

    split = SplitModel(Changed(change, 96).eval(), "change", torch.zeros(2, 3, 32, 64))
    assert split.layout.grid == (4, 8)
    assert split.prefix(torch.zeros(1, 3, 32, 64)).shape == (1, 3, 4, 8)


def test_without_an_example_a_layout_is_measured_with_the_first_images() -> None:
    split = SplitModel(Changed(lambda maps: maps.permute(0, 2, 3, 1), 48).eval(), "change")
    with pytest.raises(LayerError, match="which axes of layer 'change' are positions has to be measured"):
        split.suffix(torch.zeros(1, 3, 4, 4))
    maps = split.prefix(images())
    assert (maps.shape, split.layout) == ((2, 3, 4, 4), CHANNELS_LAST)
    unseen = SplitModel(split.network, "change")
    assert class_activation_maps(unseen, images(), [Target(0)] * 2).shape == (2, SIDE, SIDE)
    torch.testing.assert_close(split.suffix(maps), split.network(images()))


def test_a_network_that_cannot_be_traced_is_measured_as_well(caplog: pytest.LogCaptureFixture) -> None:
    class Branching(Changed):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) if images.sum() == images.sum() else images

    with caplog.at_level(logging.WARNING):
        split = SplitModel(Branching(lambda maps: maps.permute(0, 2, 3, 1), 48).eval(), "change", images())
    assert "cannot be traced" in caplog.text
    assert split.layout == CHANNELS_LAST
    torch.testing.assert_close(split.suffix(split.prefix(images())), split.network(images()))


# Class tokens, by hand


def test_class_tokens_are_left_out_of_maps_and_kept_for_the_suffix() -> None:
    split = SplitModel(ClassTokenNetwork().eval(), "first", images())
    assert str(split.layout) == "tokens, 1 class token"
    x = images()
    torch.testing.assert_close(split.prefix(x), nn.functional.avg_pool2d(x, 8))
    complete = split.complete
    tokens = complete.prefix(x)
    assert tokens.shape == (2, 1 + PATCHES, 3)
    torch.testing.assert_close(complete.patches(tokens), split.prefix(x))
    torch.testing.assert_close(complete.suffix(tokens), split.network(x))
    with pytest.raises(
        LayerError, match=r"needs the class token beside the maps.*contrasts.*for counterfactuals choose"
    ):
        split.suffix(split.prefix(x))
    # A vector added at every position moves the logits by itself: the class token stays.
    moved = complete.shifted(tokens, torch.tensor([[1.0, 0, 0], [0, 0, 2.0]]))
    torch.testing.assert_close(complete.suffix(moved) - complete.suffix(tokens), torch.tensor([[1.0, 0, 0], [0, 0, 2]]))
    assert complete.complete is complete
    assert split.for_inference("float32").complete.prefix(x).shape == tokens.shape


@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients", "gradient_x_activation"])
def test_attribution_is_complete_with_the_class_token_and_maps_leave_it_out(method: str) -> None:
    split = SplitModel(ClassTokenNetwork().eval(), "first", images())
    x = images()
    attribution = smooth_attribution(split, x, 1, method, samples=0, baseline=0.0)
    assert attribution.gap.max() < 1e-5
    # Half of the logit, 2 · mean colour, comes through the patches; the other half through the class token.
    logit = split.network(x)[:, 1]
    torch.testing.assert_close(3 * attribution.raw.sum((1, 2)), logit / 2)
    torch.testing.assert_close(3 * attribution.raw, split.prefix(x)[:, 1] / PATCHES)
    torch.testing.assert_close(attribution.multiplier, torch.tensor([[0, 1 / PATCHES, 0]] * 2))


def test_a_layer_of_which_only_the_class_token_is_read_is_refused() -> None:
    module = ClassTokenNetwork().eval()
    split = SplitModel(module, "second", images())
    assert not split.reads_positions
    for ask in (
        lambda: smooth_attribution(split, images(), 1, samples=0),
        lambda: class_activation_maps(split, images(), [Target(1)] * 2),
    ):
        with pytest.raises(LayerError, match=r"reads only its class token.*choose a layer before the last attention"):
            ask()
    assert class_activation_maps(split, images(), [Target(1)] * 2, "eigen_cam").shape == (2, SIDE, SIDE)
    assert last_spatial_layer(module, images()) == "first"


@pytest.mark.parametrize("method", ["grad_cam", "ablation_cam", "score_cam", "layer_cam", "shapley_cam", "xgrad_cam"])
def test_class_activation_maps_hold_the_class_token_fixed(method: str) -> None:
    bright = torch.zeros(2, 3, SIDE, SIDE)
    bright[0, 1, :8, 8:16] = 5.0
    bright[1, 1, 24:, :8] = 5.0
    split = SplitModel(ClassTokenNetwork().eval(), "first", bright)
    first, second = class_activation_maps(split, bright, [Target(1)] * 2, method)
    assert first[:8, 8:16].max() == first.max() > first[16:].max()
    assert second[24:, :8].max() == second.max() > second[:16].max()


def test_several_class_tokens_are_counted() -> None:
    split = SplitModel(ClassTokenNetwork(class_tokens=2).eval(), "first", images())
    assert str(split.layout) == "tokens, 2 class tokens"
    assert split.prefix(images()).shape == (2, 3, 4, 4)


def test_a_shift_and_a_derivative_leave_the_class_token_alone() -> None:
    split = SplitModel(ClassTokenNetwork().eval(), "first", images())
    tokens = split.complete.prefix(images()).detach()
    direction = np.array([0.0, 2.0, 0.0], np.float32)
    probabilities = shifted_probabilities(split, tokens, direction, [0, 1], ShiftOptions(offsets=[0.0, 1.0]))
    logits = split.network(images()).detach()
    expected = torch.stack([logits, logits + torch.tensor(direction)]).double().softmax(2)[..., :2]
    torch.testing.assert_close(probabilities, expected, rtol=1e-5, atol=1e-6)
    half = torch.zeros(2, 4, 4, dtype=torch.bool)
    half[:, :2] = True
    moved = split.complete.shifted(tokens, torch.tensor([[0.0, 2.0, 0.0]] * 2), half)
    torch.testing.assert_close(split.complete.suffix(moved), logits + torch.tensor([0.0, 1.0, 0.0]))
    # d logit / d vector at every position = 1, not 2: the class token's half is left out.
    assert class_gradients(split, tokens, target=1).round(6).tolist() == [[0, 1, 0]] * 2


@pytest.mark.parametrize("name", ["height", "size", "rank", "whole"])
def test_sizes_of_the_image_may_cross_where_the_size_is_known(name: str) -> None:
    class Sized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AvgPool2d(8)
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            batch, _, height, _ = x.shape
            number = {"height": height // 8, "size": x.size(3), "rank": x.dim(), "whole": x.shape}[name]
            y = self.act(self.pool(x)).reshape(batch, 3, -1)
            return y.new_zeros(number).sum() + y.sum(2) if name == "whole" else y.sum(2) / number

    module = Sized().eval()
    if name == "whole":
        with pytest.raises(LayerError, match="depends on the image's size"):
            SplitModel(module, "act", images())
        return
    with pytest.raises(LayerError, match=r"depends on the image's size and is used after it: give an example image"):
        SplitModel(module, "act")
    split = SplitModel(module, "act", images())
    torch.testing.assert_close(split.suffix(split.prefix(images(3))), module(images(3)))
    with pytest.raises(ShapeError, match="layer 'act' was cut for images of 3×32×32; these are 3×64×64"):
        split.prefix(images(1, 64))


# torchvision's


@torch.no_grad()
def test_swin_gives_384_channels_at_14_by_14_positions() -> None:
    module = network("swin_t")
    x = images(1, 224)
    seen: list[Tensor] = []
    handle = module.features[5].register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    whole = module(x)
    handle.remove()
    split = SplitModel(module, "features.5")
    maps = split.prefix(x)
    assert (maps.shape, split.layout) == ((1, 384, 14, 14), CHANNELS_LAST)
    torch.testing.assert_close(maps.permute(0, 2, 3, 1), seen[0])
    torch.testing.assert_close(split.suffix(maps), whole)
    assert deep_feature_factorization(maps, 2).heatmaps.shape == (1, 2, 14, 14)
    assert class_activation_maps(split, x, [Target(3)]).shape == (1, 224, 224)


CNBlockConfig = torchvision.models.convnext.CNBlockConfig
#: Networks of torchvision, an eighth as wide: what is long in the others is reading their weights from memory.
NARROW = {
    "swin_t": lambda: torchvision.models.SwinTransformer([4, 4], 12, [2, 2, 6, 2], [3, 6, 12, 24], [7, 7]),
    "convnext_tiny": lambda: torchvision.models.ConvNeXt(
        [CNBlockConfig(12, 24, 3), CNBlockConfig(24, 48, 3), CNBlockConfig(48, 96, 9), CNBlockConfig(96, None, 3)]
    ),
    "mobilenet_v3_small": torchvision.models.mobilenet_v3_small,
    "vit_b_16": lambda: with_head(torchvision.models.VisionTransformer(64, 16, 12, 12, 96, 384)),
}
TOKENS = Layout("tokens", class_tokens=1, grid=(4, 4))
#: Layers of networks with their layouts; the last one is the default.
FAMILIES = {
    "swin_t": {
        "features.1": CHANNELS_LAST,
        "features.4": CHANNELS_LAST,
        "norm": CHANNELS_LAST,
        "permute": CHANNELS_FIRST,
    },
    "convnext_tiny": {"features.0": CHANNELS_FIRST, "features.5.3": CHANNELS_FIRST, "features": CHANNELS_FIRST},
    "mobilenet_v3_small": {"features.4": CHANNELS_FIRST, "features": CHANNELS_FIRST},
    "vit_b_16": {
        "conv_proj": CHANNELS_FIRST,
        "encoder.dropout": TOKENS,  # measured
        "encoder.ln": TOKENS,
        "encoder.layers.encoder_layer_10": TOKENS,
    },
}


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_of_torchvision_are_cut_attributed_and_explained(name: str) -> None:
    module = NARROW[name]().eval().requires_grad_(False)
    x = images(2, 64)
    with torch.no_grad():
        whole = module(x)
    listed = layer_maps(module, x)
    for layer, layout in FAMILIES[name].items():
        split = SplitModel(module, layer, x)
        with torch.no_grad():
            maps = split.prefix(x)
            torch.testing.assert_close(split.complete.suffix(split.complete.prefix(x)), whole)
        assert split.layout == layout
        assert (tuple(maps.shape[1:]), layout) in listed.values()
        assert maps.shape[2] == maps.shape[3]
    # Attributed and explained at the default layer
    assert last_spatial_layer(module, x) == layer
    attribution = smooth_attribution(split, x, 5, "integrated_gradients", samples=0, warn=False)
    assert attribution.gap.max() < 0.01
    assert attribution.multiplier.shape == maps.shape[:2]
    assert class_activation_maps(split, x, [Target(5)] * 2).shape == (2, 64, 64)


@torch.no_grad()
def test_signed_layers_are_factorized_only_with_rectify() -> None:
    module = NARROW["vit_b_16"]().eval()
    split = SplitModel(module, "encoder.layers.encoder_layer_5", images(2, 64))
    maps = split.prefix(images(2, 64))
    attribution = {"rectified": np.ones((2, 4, 4), np.float32), "multiplier": np.ones((2, 96), np.float32)}
    classes = [(0, maps, np.arange(2))]
    factors = [Factors("position", 2)]
    with pytest.raises(LayerError, match=r"negative.*rectify: true in a study, --rectify on the command line"):
        factorize_classes(classes, attribution, factors, seed=0)
    arrays = factorize_classes(classes, attribution, factors, seed=0, rectify=True)
    assert arrays["components_position_k2"].shape == (1, 2, 96)
