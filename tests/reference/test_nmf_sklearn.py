"""Ours beside scikit-learn called plainly."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import NMF
from sklearn.decomposition._nmf import _initialize_nmf

from conceptrast.concepts.nmf import Factorization, nmf, reconstruction_error
from conceptrast.concepts.nmf_batched import batched_nmf
from conceptrast.concepts.nmf_start import nndsvda, sketch
from conceptrast.data.dataset import open_dataset
from conceptrast.models import load_model
from conceptrast.models.inference import network_input
from conceptrast.models.split import SplitModel

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines of matched components ``[k]``."""
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (first, second)]
    similarity = unit[0] @ unit[1].T
    return similarity[linear_sum_assignment(-similarity)]


def squared_error(rows: np.ndarray, result: Factorization) -> float:
    return float(np.square(rows - result.codes.astype(np.float64) @ result.components).sum())


@pytest.fixture(scope="module")
def activations() -> np.ndarray:
    """EfficientNet-Lite0's activations of all photographs ``[14 · 49, 1280]``."""
    model = load_model("efficientnet_lite0", weights="package")
    dataset = open_dataset({"kind": "photographs"}, 0)
    rows = dataset.build_index().table.itertuples()
    views = torch.stack([model.preprocess.view(dataset.picture(row)) for row in rows])
    with torch.inference_mode():
        maps = SplitModel(model, "_swish").prefix(network_input(model, views))
    return maps.permute(0, 2, 3, 1).flatten(0, 2).numpy()


@pytest.mark.parametrize("shape", [(30, 12), (200, 64), (9, 40)])
def test_as_good_as_scikit_learn(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).gamma(0.5, size=shape).astype(np.float32)
    peer = NMF(5, init="nndsvda", random_state=1, max_iter=400).fit(rows)
    expected = peer.reconstruction_err_ / np.linalg.norm(rows)
    assert reconstruction_error(rows, *nmf(rows, 5, seed=1)) == pytest.approx(expected, rel=5e-3)
    [batched] = batched_nmf([rows], 5, seed=1)
    assert reconstruction_error(rows, *batched) <= expected * 1.005


def test_starts_where_scikit_learn_starts(activations: np.ndarray) -> None:
    rows = activations / activations.mean()
    codes, components = _initialize_nmf(rows, 6, init="nndsvda", random_state=0)
    ours = nndsvda(sketch(torch.from_numpy(rows)[None], 48, seed=0), 6)
    for factor, expected in zip(ours, (codes.T, components), strict=True):
        # A number at the threshold, below which the mean takes its place, may lie on either side of it.
        equal = np.isclose(factor[0].numpy(), expected, rtol=1e-2, atol=1e-3 * expected.max())
        assert equal.mean() > 0.999


@pytest.mark.parametrize("k", [1, 3, 6, 10])
def test_same_components_of_real_activations(activations: np.ndarray, k: int) -> None:
    """Half the pictures; few channels, so without sketch. For one number also all rows, or half zero."""
    half = activations * (np.arange(1280) % 2)
    small = [activations[: 7 * 49], np.ascontiguousarray(activations[:, :60])]
    matrices = [activations, half, *small] if k == 6 else small
    for rows, result in zip(matrices, batched_nmf(matrices, k), strict=True):
        peer = nmf(rows, k)
        assert squared_error(rows, result) <= 1.01 * squared_error(rows, peer)
        assert cosines(result.components, peer.components).min() >= 0.99
