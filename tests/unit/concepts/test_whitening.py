"""Whitening: what all pictures have in common counts little."""

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConceptrastError
from conceptrast.concepts.whitening import RIDGE, Whitening, evenly_spaced


def test_whitened_activations_have_mean_zero_and_nearly_the_covariance_of_noise() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((4000, 5)) @ rng.standard_normal((5, 5)) + 3
    activations = torch.from_numpy(mixed.astype(np.float32)).view(1000, 2, 2, 5).permute(0, 3, 1, 2)
    whitened = Whitening.of(activations.split(64)).maps(activations).permute(0, 2, 3, 1).flatten(0, 2)
    assert torch.allclose(whitened.mean(dim=0), torch.zeros(5), atol=1e-3)
    variances, directions = np.linalg.eigh(np.cov(mixed.T, bias=True))
    expected = directions @ np.diag(variances / (variances + RIDGE * variances.mean())) @ directions.T
    np.testing.assert_allclose(np.cov(whitened.numpy().T, bias=True), expected, atol=1e-3)


def test_vectors_and_maps_go_the_same_way_whatever_the_batches() -> None:
    activations = torch.from_numpy(np.random.default_rng(1).random((6, 3, 2, 2), dtype=np.float32))
    whitening = Whitening.of([activations])
    parts = Whitening.of([activations[:1], activations[1:]])
    assert torch.allclose(whitening.matrix, parts.matrix, rtol=1e-4, atol=1e-5)
    expected = whitening.maps(activations)[2, :, 1, 0].numpy()
    np.testing.assert_allclose(whitening.vectors(activations[2, :, 1, 0].numpy()), expected, atol=1e-5)


def test_nothing_and_what_never_varies_cannot_be_whitened() -> None:
    with pytest.raises(ConceptrastError, match="no pictures"):
        Whitening.of([])
    with pytest.raises(ConceptrastError, match="do not vary"):
        Whitening.of([torch.ones(2, 3, 1, 1)])


def test_images_are_spaced_over_all() -> None:
    assert evenly_spaced(np.arange(1000)).tolist()[-1] == 999
    assert len(np.unique(evenly_spaced(np.arange(1000)))) == 512
    assert evenly_spaced(np.array([4, 7])).tolist() == [4, 7]
