"""Predictions against a network whose answer is known, and the precision switch."""

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConfigError, ModelError
from conceptrast.models.inference import autocast, default_device, for_inference, network_input, predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.opening import load_model


def mean_colour(scale: float = 1.0) -> Model:
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return Model("mean colour", net, Preprocess(None, 4, (0.0,) * 3, (scale,) * 3), ["red", "green", "blue"])


def test_probabilities_worked_out_by_hand():
    views = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    views[0, 2] = 255
    views[1, 1] = 51
    predictions = predict(mean_colour(), [(np.array([5, 3]), views)])
    assert predictions["image"].tolist() == [5, 3]
    assert predictions["predicted"].tolist() == [2, 1]
    e = np.e
    np.testing.assert_allclose(predictions["probability"], [e / (e + 2), e**0.2 / (e**0.2 + 2)], rtol=1e-6)


def test_batches_do_not_matter():
    model = load_model("resnet10", class_names=["a", "b", "c"], seed=1)
    views = torch.randint(0, 256, (6, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ids = np.arange(6)
    whole = predict(model, [(ids, views)])
    parts = predict(model, [(ids[:1], views[:1]), (ids[1:4], views[1:4]), (ids[4:], views[4:])])
    assert whole["predicted"].tolist() == parts["predicted"].tolist()
    np.testing.assert_allclose(whole["probability"], parts["probability"], atol=1e-5)


def test_bfloat16_is_near_float32():
    model = load_model("resnet10", class_names=["a", "b", "c"], seed=1)
    views = torch.randint(0, 256, (4, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    exact, rough = (predict(model, [(np.arange(4), views)], precision) for precision in ("float32", "bfloat16"))
    np.testing.assert_allclose(exact["probability"], rough["probability"], atol=0.02)
    assert rough["probability"].dtype == np.float32


class Stepwise(torch.nn.Module):
    """A network whose steps depend on values, so that it cannot be traced."""

    def forward(self, images):
        return (images if images.max() > 0.5 else -images).mean(dim=(2, 3))


def test_a_network_that_cannot_be_traced_predicts_as_it_is():
    model = Model("stepwise", Stepwise(), Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["r", "g", "b"])
    assert for_inference(model) is model
    views = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    views[0, 1] = 255
    assert predict(model, [(np.array([4]), views)])["predicted"].tolist() == [1]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_the_network_prepared_for_inference_gives_the_same_logits(name):
    model = load_model(name, class_names=["a", "b", "c"], seed=1, input_size=64)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network = for_inference(model, "float32").module
    assert network is not model.module
    with torch.inference_mode():
        torch.testing.assert_close(network(images), model.module(images), rtol=1e-4, atol=1e-4)


def test_no_pictures_give_an_empty_table():
    predictions = predict(mean_colour(), [])
    assert predictions.empty
    assert list(predictions.columns) == ["image", "predicted", "probability"]


class OneOver(torch.nn.Module):
    def forward(self, images):
        return (1 / images).mean(dim=(2, 3))


def test_logits_that_are_not_finite_name_the_image():
    model = Model("one over", OneOver(), Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["r", "g", "b"])
    views = torch.full((3, 3, 4, 4), 255, dtype=torch.uint8)
    views[1] = 0
    with pytest.raises(ModelError, match="one over gives logits that are not finite, first for image 9"):
        predict(model, [(np.array([8, 9, 10]), views)])


def test_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="unknown precision 'bfloat'; nearest: bfloat16"):
        autocast("bfloat")


def test_network_input_leaves_the_views_as_they_were():
    views = torch.full((1, 3, 4, 4), 7, dtype=torch.uint8)
    prepared = network_input(mean_colour(), views)
    assert prepared.dtype == torch.float32
    assert (views == 7).all()


@pytest.mark.parametrize(
    ("asked", "there", "device"),
    [
        (None, False, "cpu"),
        (None, True, "cuda"),
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_the_device_is_the_one_that_the_run_asks_for(monkeypatch, asked, there, device):
    monkeypatch.delenv("CONCEPTRAST_DEVICE", raising=False)
    if asked is not None:
        monkeypatch.setenv("CONCEPTRAST_DEVICE", asked)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert default_device() == torch.device(device)


def test_a_gpu_that_is_asked_for_and_not_there_is_said(monkeypatch):
    monkeypatch.setenv("CONCEPTRAST_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ConfigError, match=r"'device' is cuda, but .*: set it to auto or cpu, or run where there is a GPU"
    ):
        default_device()


def test_a_device_that_does_not_exist_is_named_with_those_that_do(monkeypatch):
    monkeypatch.setenv("CONCEPTRAST_DEVICE", "cudo")
    with pytest.raises(ConfigError, match="unknown device in CONCEPTRAST_DEVICE 'cudo'; nearest: cuda"):
        default_device()
