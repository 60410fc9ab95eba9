"""Ours beside scikit-learn called plainly."""

import numpy as np
import pytest
from sklearn.decomposition import NMF

from conceptrast.concepts.nmf import nmf, reconstruction_error


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("shape", [(30, 12), (200, 64), (9, 40)])
def test_as_good_as_scikit_learn(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).gamma(0.5, size=shape).astype(np.float32)
    ours = reconstruction_error(rows, *nmf(rows, 5, seed=1))
    peer = NMF(5, init="nndsvda", random_state=1, max_iter=400).fit(rows)
    assert ours == pytest.approx(peer.reconstruction_err_ / np.linalg.norm(rows), rel=5e-3)
