"""Noisy linear imputation beside the grad-cam package's, with the masks that its ROAD makes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from conceptrast.base.torchvision_ops import torchvision  # noqa: F401 - has to come before the grad-cam package
from conceptrast.saliency.faithfulness import relevance_rank
from conceptrast.saliency.road import linear_imputation

# isort: split
from pytorch_grad_cam.metrics.perturbation_confidence import RemoveLeastRelevantFirst, RemoveMostRelevantFirst
from pytorch_grad_cam.metrics.road import NoisyLinearImputer


@pytest.mark.filterwarnings("ignore:__array_wrap__")
@pytest.mark.parametrize("percentile", [20, 50, 80])
@pytest.mark.parametrize("smooth", [True, False])
def test_imputed_pictures_equal_the_packages(percentile: int, smooth: bool) -> None:
    generator = np.random.default_rng(percentile)
    picture = generator.standard_normal((3, 40, 30)).astype(np.float32)
    grid = generator.random((4, 3) if smooth else (40, 30))
    values = cv2.resize(grid, (30, 40), interpolation=cv2.INTER_CUBIC)
    values = (values.ravel().argsort().argsort() / values.size).astype(np.float32).reshape(40, 30)  # no two the same
    rank = relevance_rank(values, generator)
    count = round(values.size * percentile / 100)
    orders = {RemoveMostRelevantFirst: rank < count, RemoveLeastRelevantFirst: rank >= values.size - count}
    for order, gone in orders.items():
        remove = order(100 - percentile, NoisyLinearImputer(noise=0))
        expected = remove(torch.from_numpy(picture), torch.from_numpy(values)).numpy()
        assert (expected != picture).any(0).sum() == count
        np.testing.assert_allclose(linear_imputation(picture, gone[None])[0], expected, atol=1e-4)
