"""Deep Feature Factorization: ours beside the grad-cam package's on the same activations."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from conceptrast.base.torchvision_ops import torchvision
from conceptrast.data.dataset import open_dataset
from conceptrast.dff.factorization import deep_feature_factorization
from conceptrast.models import load_model
from conceptrast.models.inference import network_input
from conceptrast.models.split import SplitModel

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    assert torchvision  # before the package, which imports it
    from pytorch_grad_cam.feature_factorization.deep_feature_factorization import dff as peer


def equal_to_the_peer(activations: np.ndarray, k: int) -> None:
    ours = deep_feature_factorization(activations, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        concepts, heatmaps = peer(activations.copy(), k)
    np.testing.assert_allclose(ours.concepts, concepts.T, rtol=1e-6, atol=1e-6 * np.abs(concepts).max())
    np.testing.assert_allclose(ours.heatmaps, heatmaps, rtol=1e-6, atol=1e-6 * heatmaps.max())


@pytest.mark.parametrize("shift", [0.0, -3.0])
@pytest.mark.parametrize(("shape", "k"), [((1, 12, 5, 4), 3), ((3, 30, 4, 4), 7), ((2, 5, 3, 3), 1)])
def test_equals_the_package_also_where_activations_are_negative(shape: tuple[int, ...], k: int, shift: float) -> None:
    activations = np.random.default_rng(sum(shape)).gamma(0.4, size=shape).astype(np.float32) + np.float32(shift)
    equal_to_the_peer(activations, k)


@pytest.mark.parametrize("k", [2, 5, 10])
def test_equals_the_package_on_photographs(k: int) -> None:
    model = load_model("efficientnet_lite0", weights="package")
    dataset = open_dataset({"kind": "photographs", "names": ["cat", "coffee"]}, 0)
    rows = dataset.build_index().table.itertuples()
    views = torch.stack([model.preprocess.view(dataset.picture(row)) for row in rows])
    with torch.inference_mode():
        activations = SplitModel(model, "_swish").prefix(network_input(model, views)).numpy()
    equal_to_the_peer(np.ascontiguousarray(activations), k)
