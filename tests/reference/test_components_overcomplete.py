"""Matches and sparseness beside the package overcomplete, total effects beside CRAFT; where these are installed.

Neither is among the packages of the tests: ``pip install --no-deps overcomplete Craft-xai`` brings them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from conceptrast.concepts.sobol import designs, total_effects
from conceptrast.concepts.sparseness import hoyer
from conceptrast.concepts.stability import match


def module_of(package: str, path: str) -> ModuleType:
    """A file of a package by itself: the rest of these packages needs others, and their old versions."""
    package_spec = importlib.util.find_spec(package)
    if package_spec is None or package_spec.origin is None:
        pytest.skip(f"{package} is not installed")
    file = Path(package_spec.origin).parent / path
    spec = importlib.util.spec_from_file_location(f"{package}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_matches_have_the_cosines_of_overcomplete(seed: int) -> None:
    metrics = module_of("overcomplete", "metrics.py")
    first, second = np.random.default_rng(seed).random((2, 6, 40))
    loss = metrics.cosine_hungarian_loss(torch.from_numpy(first), torch.from_numpy(second))
    assert (1 - match(first, second).cosines).sum() == pytest.approx(loss, abs=1e-9)


def test_sparseness_is_that_of_overcomplete() -> None:
    metrics = module_of("overcomplete", "metrics.py")
    codes = np.random.default_rng(0).random((20, 6))
    assert hoyer(codes) == pytest.approx(metrics.hoyer(torch.from_numpy(codes)).numpy(), abs=1e-4)


@pytest.mark.parametrize("k", [2, 6])
def test_total_effects_are_those_of_craft_up_to_the_variance(k: int) -> None:
    estimators = module_of("craft", "sobol/estimators.py")
    shares = designs(64, k)
    answers = np.sin(3 * shares).sum(axis=1) + shares.prod(axis=1)
    theirs = estimators.JansenEstimator()(shares, answers, 64)
    # CRAFT divides by the variance of the first design, we by that of both.
    ratio = answers[:64].var(ddof=1) / answers[:128].var(ddof=1)
    assert total_effects(answers, k) == pytest.approx(theirs * ratio, rel=1e-5)
