"""What a study knows of a pair: hyperplanes, components, pictures of neither class, and reasons."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from conceptrast.counterfactual.study_knowledge import (
    NO_CLASS_CAV,
    OTHERS,
    StudyKnowledge,
    class_components,
    drawn_others,
)
from conceptrast.counterfactual.swap import ClassComponents, Windows
from conceptrast.models.injection import LayerValues

FEW = "fewer than min_images"


def knowledge(planes=None, cavs=None) -> StudyKnowledge:
    components = {target: ClassComponents(np.eye(2), np.ones(2), Windows()) for target in (0, 1)}
    others = torch.arange(4.0).view(4, 1, 1, 1)
    return StudyKnowledge(
        planes=planes,
        components=components,
        cavs=cavs,
        donors={1: LayerValues(torch.ones(3, 2, 1, 1))},
        others=others,
        predicted=np.array([0, 1, 2, 3]),
    )


def test_pictures_of_neither_class_are_left():
    assert knowledge().of_pair((0, 1)).others.flatten().tolist() == [2, 3]
    assert knowledge().of_pair((2, 3)).others.flatten().tolist() == [0, 1]
    both = StudyKnowledge(
        planes=None, components={}, cavs=None, donors={}, others=torch.ones(2, 1, 1, 1), predicted=np.array([0, 1])
    )
    assert both.of_pair((0, 1)).others is None


def test_what_a_class_lacks_is_none():
    known = knowledge().of_pair((1, 0))
    assert known.donors is None
    assert known.components is not None
    assert known.plane is None
    assert known.cav is None
    assert knowledge().of_pair((0, 3)).components is None


def test_reasons_name_only_what_the_study_looks_for():
    missing = {("transplant", "none"): FEW, ("located", "hyperplane"): "none", ("located", "cav"): "none"}
    assert knowledge().reasons(missing, (0, 1)) == {("transplant", "none"): FEW}
    planes = SimpleNamespace(skipped={(0, 1): "they cannot be told apart"})
    assert knowledge(planes).reasons(missing, (0, 1)) == {
        ("transplant", "none"): FEW,
        ("located", "hyperplane"): "they cannot be told apart",
    }
    assert knowledge(planes, cavs={}).reasons(missing, (1, 0)) == missing


def test_components_are_weighted_by_the_channels_of_their_class():
    sets = {"classes": np.array([4, 6]), "components_channel_k1": np.ones((2, 1, 2), np.float32)}
    attribution = {
        "target": np.array([4, 6, 6]),
        "rectified": np.ones((3, 1, 1), np.float32),
        "multiplier": np.array([[1.0, 3.0], [2.0, -2.0], [4.0, 0.0]], np.float32),
    }
    components = class_components(sets, "components_channel_k1", attribution, "channel", Windows(2, 2))
    assert list(components) == [4, 6]
    assert components[4].weights.tolist() == [1, 3]
    assert components[6].weights.tolist() == [3, 0]  # −1 on average: the channel speaks against the class
    assert components[6].windows == Windows(2, 2)


def test_others_are_drawn_by_the_seed_and_each_once():
    predictions = pd.DataFrame({"image": range(100, 200), "predicted": [0, 1] * 50})
    ids, classes = drawn_others(predictions, seed=1)
    assert len(set(ids)) == OTHERS
    assert (classes == ids % 2).all()
    assert ids.tolist() == drawn_others(predictions, seed=1)[0].tolist()
    assert ids.tolist() != drawn_others(predictions, seed=2)[0].tolist()


def test_what_the_study_found_elsewhere_is_not_used_and_a_vector_of_the_class_stands_in():
    """Class 1's pictures hold channel 0, the others channel 1: the vector is (1, −1) / √2."""
    others = torch.zeros(4, 2, 1, 2)
    others[:, 1] = 2.0
    donors = torch.zeros(3, 2, 1, 2)
    donors[:, 0] = 2.0
    known = replace(
        knowledge(SimpleNamespace(skipped={}, get=lambda _: "a plane"), cavs={}),
        donors={1: LayerValues(donors, (torch.ones(3, 1),))},
        others=others,
        elsewhere="that is at another layer",
    )
    pair = known.of_pair((0, 1))
    assert pair.plane is None
    assert pair.components is None
    assert pair.donors.around[0].shape == (3, 1)
    origin, vector = pair.cav
    assert origin == "its pictures against others"
    np.testing.assert_allclose(vector, np.array([1, -1]) / 2**0.5)
    missing = {
        ("swap", "component"): "x",
        ("located", "hyperplane"): "x",
        ("located", "cav"): "x",
        ("map", "none"): "x",
    }
    assert known.reasons(missing, (0, 1)) == {
        ("swap", "component"): "that is at another layer",
        ("located", "hyperplane"): "that is at another layer",
        ("located", "cav"): "x",
        ("map", "none"): "x",
    }
    # There are no pictures of class 0 to fit a vector to.
    assert known.of_pair((1, 0)).cav is None
    assert known.reasons(missing, (1, 0))["located", "cav"] == NO_CLASS_CAV
    # A study without hyperplanes has no row of them, but the class has a vector all the same.
    assert ("located", "hyperplane") not in replace(known, planes=None, cavs=None).reasons(missing, (0, 1))
    assert replace(known, planes=None, cavs=None).of_pair((0, 1)).cav is not None
