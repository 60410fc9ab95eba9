"""Targets: logits and probabilities by hand."""

from __future__ import annotations

import math

import pytest
import torch

from conceptrast.base.errors import ConfigError, ShapeError
from conceptrast.saliency.targets import Target, refuse_targets

LOGITS = torch.tensor([[0.0, math.log(2), math.log(5)], [math.log(3), 0.0, 0.0]])


def test_a_class_by_itself():
    assert torch.equal(Target(2)(LOGITS), LOGITS[:, 2])
    torch.testing.assert_close(Target(2).probability(LOGITS), torch.tensor([5 / 8, 1 / 5]))


def test_a_class_against_another_is_antisymmetric_and_does_not_see_a_third():
    one = Target(2, versus=1)
    other = Target(1, versus=2)
    torch.testing.assert_close(one(LOGITS), torch.tensor([math.log(5 / 2), 0.0]))
    assert torch.equal(one(LOGITS), -other(LOGITS))
    torch.testing.assert_close(one.probability(LOGITS), torch.tensor([5 / 7, 1 / 2]))
    torch.testing.assert_close(one.probability(LOGITS) + other.probability(LOGITS), torch.ones(2))
    third = LOGITS.clone()
    third[:, 0] += 4
    assert torch.equal(one.probability(third), one.probability(LOGITS))


def test_one_image_without_a_batch():
    assert Target(2)(LOGITS[0]) == LOGITS[0, 2]
    assert Target(2).probability(LOGITS[0]) == pytest.approx(5 / 8)
    assert Target(2, versus=1).probability(LOGITS[0]) == pytest.approx(5 / 7)


def test_large_logits_stay_finite():
    assert Target(0, versus=1).probability(torch.tensor([-5000.0, 5000.0])) == 0
    assert Target(1).probability(torch.tensor([-5000.0, 5000.0])) == 1


def test_a_class_against_itself_is_refused():
    with pytest.raises(ConfigError, match="class 3 cannot be held against itself"):
        Target(3, versus=3)


def test_targets_that_do_not_fit_are_refused():
    refuse_targets([Target(0), Target(2, versus=1)], 2, 3)
    with pytest.raises(ShapeError, match="1 targets for 2 images: every image needs one"):
        refuse_targets([Target(0)], 2, 3)
    for target in (Target(3), Target(0, versus=3)):
        with pytest.raises(ConfigError, match="class 3 does not exist: the network has classes 0 to 2"):
            refuse_targets([target], 1, 3)
    with pytest.raises(ConfigError, match="class -1 does not exist"):
        refuse_targets([Target(-1)], 1, 3)
