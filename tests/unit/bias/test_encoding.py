"""Codes of both networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ModelError
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.encoding import encode_autoencoder, encode_classifier
from conceptrast.models import load_model


def batches(n: int, size: int):
    views = torch.randint(0, 255, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return [(np.arange(n)[start : start + 4], views[start : start + 4]) for start in range(0, n, 4)], views


def test_codes_of_the_autoencoder_do_not_depend_on_batches_and_give_its_probability():
    network = Autoencoder(8).eval()
    parts, views = batches(10, 8)
    encoding = encode_autoencoder(network, parts)
    passed = network(views.float() / 255)
    np.testing.assert_allclose(encoding.codes, passed.codes.detach(), atol=1e-5)
    np.testing.assert_allclose(encoding.probability, passed.logits.sigmoid().detach(), atol=1e-5)
    assert encoding.images.tolist() == list(range(10))


def test_codes_of_a_resnet_are_what_its_last_layer_gets():
    model = load_model("resnet10", class_names=["a", "b"], input_size=32, seed=2)
    parts, views = batches(6, 32)
    encoding = encode_classifier(model, parts)
    assert encoding.codes.shape == (6, 256)
    logits = torch.from_numpy(encoding.codes) @ model.module.fc.weight.T + model.module.fc.bias
    torch.testing.assert_close(logits, model.module(model.preprocess.normalise(views)), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(encoding.probability, logits.softmax(1)[:, 1].detach(), atol=1e-5)


def test_codes_of_an_efficientnet_are_what_its_last_layer_gets_and_no_hook_stays():
    model = load_model("efficientnet_lite0", class_names=["a", "b"], input_size=32, seed=2)
    parts, views = batches(3, 32)
    encoding = encode_classifier(model, parts)
    assert encoding.codes.shape == (3, 1280)
    assert not any(module._forward_pre_hooks for module in model.module.modules())
    logits = model.module(model.preprocess.normalise(views))
    np.testing.assert_allclose(encoding.probability, logits.softmax(1)[:, 1].detach(), atol=1e-5)


def test_a_network_without_a_last_linear_layer_is_refused():
    model = load_model("squeezenet1_1", class_names=["a", "b"], input_size=32)
    with pytest.raises(ModelError, match=r"torch\.nn\.Linear"):
        encode_classifier(model, batches(2, 32)[0])
