"""Preprocessing against torchvision's own transforms, and class names."""

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from conceptrast.base.errors import ConfigError, ModelError, ShapeError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.model import Model, Preprocess, refuse_channels
from conceptrast.models.opening import load_model


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@cache
def preprocess_of(architecture: str) -> Preprocess:
    return load_model(architecture, class_names=["a", "b"]).preprocess


@pytest.mark.parametrize("size", [(300, 400), (417, 251), (224, 224), (90, 133), (232, 500)])
@pytest.mark.parametrize("architecture", ["resnet50", "efficientnet_b0"])
def test_preprocessing_equals_the_transforms_of_the_weights(architecture, size):
    weights = next(iter(torchvision.models.get_model_weights(architecture)))
    preprocess = preprocess_of(architecture)
    picture = noise(*size)
    ours = preprocess.normalise(preprocess.view(picture)[None])[0]
    torch.testing.assert_close(ours, weights.transforms()(picture), atol=1e-6, rtol=0)


def test_picture_of_the_models_size_keeps_its_bytes():
    picture = noise(96, 96)
    view = load_model("resnet10", class_names=["a", "b"]).preprocess.view(picture)
    assert np.array_equal(view.permute(1, 2, 0).numpy(), np.asarray(picture))


def test_short_side_is_resized_and_the_centre_kept():
    left_to_right = np.repeat(np.linspace(0, 255, 300).astype(np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    view = Preprocess(50, 50, (0.0,) * 3, (1.0,) * 3).view(Image.fromarray(left_to_right))
    assert view.shape == (3, 50, 50)
    assert abs(float(view.float().mean()) - 127.5) < 1
    assert abs(int(view[0, 0, 0]) - 85) <= 2  # 100 of 300 columns lie to the left of the crop
    assert torch.equal(view[:, 0], view[:, -1])


@pytest.mark.parametrize(("mode", "colour"), [("L", 200), ("CMYK", (0, 0, 0, 0)), ("RGBA", (9, 9, 9, 0)), ("1", 1)])
def test_any_mode_becomes_three_channels(mode, colour):
    assert Preprocess(8, 8, (0.0,) * 3, (1.0,) * 3).view(Image.new(mode, (9, 9), colour)).shape == (3, 8, 8)


def test_normalise_takes_bytes_and_floats_of_any_size():
    preprocess = Preprocess(None, 4, (0.1, 0.2, 0.3), (0.5, 0.25, 1.0))
    views = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 5, 7)
    expected = torch.tensor([-0.2, 0.0, 0.7]).view(1, 3, 1, 1).expand(2, 3, 5, 7)
    torch.testing.assert_close(preprocess.normalise(views), expected)
    torch.testing.assert_close(preprocess.normalise(views.float()), expected)


def test_crop_may_be_oblong():
    preprocess = Preprocess(None, (4, 6), (0.0,) * 3, (1.0,) * 3)
    assert preprocess.size == (4, 6)
    assert preprocess.view(noise(10, 10)).shape == (3, 4, 6)


def test_picture_smaller_than_the_crop_is_refused_with_both_sizes():
    with pytest.raises(ModelError, match="3×9 pixels is smaller than the model's 4×4"):
        Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3).view(noise(3, 9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": 3}, "resize 3 is smaller than crop 4"),
        ({"interpolation": "bilinaer"}, "unknown interpolation 'bilinaer'; nearest: bilinear"),
        ({"std": (0.0, 1.0, 1.0)}, "std positive"),
        ({"mean": (0.5,)}, r"one value each, or three, .* got \[0.5\] and \[1.0, 1.0, 1.0\]"),
        ({"mean": (0.5, 0.5), "std": (1.0, 1.0)}, "one value each, or three"),
        ({"mean": (), "std": ()}, "one value each, or three"),
    ],
)
def test_preprocessing_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Preprocess(**({"resize": 4, "crop": 4, "mean": (0.0,) * 3, "std": (1.0,) * 3} | change))


def test_classes_go_by_name_or_index():
    preprocess = Preprocess(4, 4, (0.0,) * 3, (1.0,) * 3)
    model = Model("toy", torch.nn.Identity(), preprocess, ["tabby", "tiger cat", "lynx"])
    assert model.class_index("lynx") == 2
    assert model.class_index(np.int64(1)) == 1
    with pytest.raises(ConfigError, match="unknown class 'tabbi'; nearest: tabby"):
        model.class_index("tabbi")
    with pytest.raises(ConfigError, match="classes 0 to 2"):
        model.class_index(3)


def test_a_model_is_frozen():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    Model("toy", module, Preprocess(4, 4, (0.0,) * 3, (1.0,) * 3), ["a", "b"])
    assert not module.training
    assert not any(weight.requires_grad for weight in module.parameters())


def network(*channels, **options) -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Conv2d(*channels, **options), torch.nn.Conv2d(9, 9, 1))


@pytest.mark.parametrize(("takes", "given"), [(1, 3), (3, 1), (3, 4)])
def test_images_of_another_number_of_channels_are_refused_and_both_are_named(takes, given):
    module = network(takes, 9, 5)
    model = Model("toy", module, Preprocess(8, 8, (0.0,) * 3, (1.0,) * 3), ["a"])
    for whole in (module, model):
        with pytest.raises(ShapeError, match=rf"images have {given} channels?, but the network takes {takes} .*\b1\)"):
            refuse_channels(whole, torch.zeros(2, given, 8, 8))
        refuse_channels(whole, torch.zeros(2, takes, 8, 8))


@pytest.mark.parametrize(
    ("options", "smallest"),
    [
        ({"kernel_size": 5}, (5, 5)),
        ({"kernel_size": (3, 5), "padding": (0, 1)}, (3, 3)),
        ({"kernel_size": 3, "dilation": 2}, (5, 5)),
        ({"kernel_size": 5, "padding": 2}, (1, 1)),
        ({"kernel_size": (1, 4), "padding": "valid"}, (1, 4)),
        ({"kernel_size": 7, "padding": "same", "dilation": 2}, (1, 1)),
    ],
)
def test_images_smaller_than_the_first_kernel_are_refused_and_no_others(options, smallest):
    module = network(1, 9, **options)
    height, width = smallest
    refuse_channels(module, torch.zeros(1, 1, height, width))
    module(torch.zeros(1, 1, height, width))  # torch agrees
    for less in ((height - 1, width), (height, width - 1)):
        if min(less) > 0:
            with pytest.raises(ShapeError, match=rf"a picture of {less[0]}×{less[1]} pixels is smaller than the"):
                refuse_channels(module, torch.zeros(1, 1, *less))
            with pytest.raises(RuntimeError):
                module(torch.zeros(1, 1, *less))


def test_a_kernel_is_named_with_the_padding_that_does_not_help():
    first = torch.nn.Sequential()
    first.add_module("conv1", torch.nn.Conv2d(3, 6, 5))
    with pytest.raises(ShapeError, match=r"a picture of 3×3 pixels is smaller than the 5×5 kernel of conv1$"):
        refuse_channels(first, torch.zeros(1, 3, 3, 3))
    with pytest.raises(ShapeError, match=r"1×9 pixels is smaller than the 5×5 kernel of 1, even padded to 3×11$"):
        refuse_channels(network(3, 9, 5, padding=1), torch.zeros(1, 3, 1, 9))


def test_images_without_a_batch_are_refused_and_a_network_without_convolution_takes_what_it_likes():
    with pytest.raises(ShapeError, match=r"4 axes, \[N, C, H, W\]; got the shape \[3, 8, 8\]"):
        refuse_channels(network(3, 9, 1), torch.zeros(3, 8, 8))
    refuse_channels(torch.nn.Linear(3, 2), torch.zeros(7, 3))
