"""Our descent of many pairs against torch's linear layer, loss and SGD on each pair."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from conceptrast.contrast.hyperplane_descent import _start, descend
from conceptrast.contrast.hyperplane_solvers import Solver


@pytest.mark.parametrize("init", ["zero", "random"])
@pytest.mark.parametrize("sizes", [(30, 30, 30), (5, 40, 17)])
def test_planes_are_those_of_a_linear_layer_trained_by_sgd(init: str, sizes: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    features = {number: generator.random((n, 16)).astype(np.float32) + number for number, n in enumerate(sizes)}
    pairs = list(permutations(features, 2))
    solver = Solver("any", init=init)
    normals, biases = descend(features, pairs, solver, seed=3)
    starts, shifts = _start(pairs, 16, init, seed=3)
    for number, pair in enumerate(pairs):
        layer = torch.nn.Linear(16, 1)
        layer.load_state_dict({"weight": starts[number][None], "bias": shifts[number]})
        rows = torch.from_numpy(np.concatenate([features[target] for target in pair]))
        labels = torch.cat([torch.full((len(features[target]), 1), float(at)) for at, target in enumerate(pair)])
        descent = torch.optim.SGD(layer.parameters(), lr=0.01)
        loss = torch.nn.BCELoss()
        for _ in range(100):
            descent.zero_grad()
            loss(torch.sigmoid(layer(rows)), labels).backward()
            descent.step()
        np.testing.assert_allclose(normals[number], layer.weight.detach()[0].numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(biases[number], layer.bias.detach()[0].numpy(), rtol=1e-4, atol=1e-5)
