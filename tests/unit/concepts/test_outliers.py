"""What the components of a class leave over of a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.concepts.component_removal import ComponentParts
from conceptrast.concepts.outliers import OutlierReference, outlier_reference, unexplained_shares
from conceptrast.concepts.recipes import Recipe

RECIPE = Recipe("small", components=1, weighting="channel", kernel=1, stride=1)


def activations(*vectors: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(vectors).view(len(vectors), 2, 1, 1)


def attribution(count: int) -> dict[str, np.ndarray]:
    return {"rectified": np.ones((count, 1, 1), np.float32), "multiplier": np.ones((count, 2), np.float32)}


def test_the_share_is_the_sine_of_the_angle_to_the_component():
    """Of a vector at angle φ to the only component, sin φ of its length is left."""
    components = ComponentParts(np.array([[1.0, 0.0]]), np.ones(2))
    angles = np.array([0.0, 0.3, np.pi / 2])
    vectors = activations(*[(5 * np.cos(angle), 5 * np.sin(angle)) for angle in angles])
    np.testing.assert_allclose(unexplained_shares(components, vectors), np.sin(angles), atol=1e-5)


def test_weights_count_and_channels_without_weight_do_not():
    components = ComponentParts(np.array([[1.0, 0.0]]), np.array([1.0, 0.0]))
    assert unexplained_shares(components, activations((3.0, 100.0))).tolist() == pytest.approx([0], abs=1e-6)
    # Nothing that the class goes by, and negative values, which count as zero: wholly unexplained.
    assert unexplained_shares(components, activations((0.0, 7.0), (-1.0, 0.0))).tolist() == [1, 1]


def test_the_quantile_is_the_share_of_better_fitting_images():
    reference = OutlierReference(ComponentParts(np.array([[1.0, 0.0]]), np.ones(2)), np.array([0.1, 0.2, 0.3, 0.9]))
    angle = np.arcsin(0.5)
    assert reference.quantile(activations((np.cos(angle), np.sin(angle)))[0]) == 0.75
    assert reference.quantile(activations((1.0, 0.0))[0]) == 0


def test_halves_are_disjoint_and_drawn_by_the_seed():
    """Images that are alike fit, one of another kind does not, whichever half it is in."""
    values = activations(*[(1.0, 0.01 * number) for number in range(10)])
    reference = outlier_reference(values, attribution(10), RECIPE, target=3, seed=0)
    assert len(reference.scores) == 5
    assert reference.quantile(activations((0.0, 1.0))[0]) == 1
    again = outlier_reference(values, attribution(10), RECIPE, target=3, seed=0)
    np.testing.assert_array_equal(reference.scores, again.scores)
    other = outlier_reference(values, attribution(10), RECIPE, target=3, seed=1)
    assert not np.array_equal(reference.scores, other.scores)


def test_one_image_and_images_without_activations_have_no_reference():
    assert outlier_reference(activations((1.0, 0.0)), attribution(1), RECIPE, target=0, seed=0) is None
    nothing = activations((0.0, 0.0), (0.0, 0.0))
    assert outlier_reference(nothing, attribution(2), RECIPE, target=0, seed=0) is None
