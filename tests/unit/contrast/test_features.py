"""Features of a class: which positions, from which images, and what is held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ShapeError
from conceptrast.base.files import write_arrays
from conceptrast.contrast.features import (
    FeatureBank,
    Features,
    class_table,
    contrast_features,
    features_of_classes,
    telling_positions,
)

NAMES = ["zero", "one", "two"]


def test_positions_above_a_share_of_each_images_own_largest_attribution():
    maps = np.array([[[4.0, 1.0], [1.1, -3.0]], [[0.1, 0.09], [0.02, 0.0]]])
    assert telling_positions(maps, 0.25).tolist() == [[[True, False], [True, False]], [[True, True], [False, False]]]


def test_an_image_that_speaks_nowhere_for_the_class_has_no_features():
    features = contrast_features(torch.ones(2, 3, 1, 2), np.array([[[-1.0, -2.0]], [[0.0, 0.0]]]), np.array([4, 5]))
    assert features.vectors.shape == (0, 3)
    assert features.images.tolist() == []


def test_a_feature_is_the_activation_vector_at_its_position():
    activations = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2)
    maps = np.zeros((2, 2, 2))
    maps[0, 1, 0] = maps[1, 0, 1] = maps[1, 1, 1] = 1
    features = contrast_features(activations, maps, np.array([8, 3]))
    assert features.images.tolist() == [8, 3, 3]
    expected = [activations[0, :, 1, 0], activations[1, :, 0, 1], activations[1, :, 1, 1]]
    assert np.array_equal(features.vectors, torch.stack(expected).numpy())


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"activations \[1, 3, 2, 2\], maps \[1, 2, 3\] and 1 images"):
        contrast_features(torch.ones(1, 3, 2, 2), np.ones((1, 2, 3)), np.array([0]))


def features(images: list[int]) -> Features:
    return Features(np.arange(len(images), dtype=np.float32)[:, None], np.array(images))


@pytest.mark.parametrize(("share", "held_out"), [(0.0, 0), (0.25, 1), (0.5, 2), (0.9, 3)])
def test_whole_images_are_held_out_and_never_all(share: float, held_out: int):
    given = features([7, 7, 8, 9, 9, 9, 11])
    fit, out = given.split(target=0, share=share, seed=0)
    image_of = dict(zip(given.vectors.ravel().tolist(), given.images.tolist(), strict=True))
    fit_images, out_images = ({image_of[value] for value in part.ravel().tolist()} for part in (fit, out))
    assert len(out_images) == held_out
    assert not fit_images & out_images
    assert len(fit) + len(out) == 7


def test_the_draw_depends_on_seed_and_class_alone():
    given = features(list(range(40)))
    again = [given.split(target=3, share=0.5, seed=1)[1].tolist() for _ in range(2)]
    assert again[0] == again[1]
    assert given.split(target=4, share=0.5, seed=1)[1].tolist() != again[0]
    assert given.split(target=3, share=0.5, seed=2)[1].tolist() != again[0]


@pytest.fixture
def file(tmp_path):
    """Class 0 with features in two images, class 1 in one, class 2 in none."""
    maps = np.array([[[1.0, 0.0]], [[1.0, 1.0]], [[1.0, 0.0]], [[-1.0, 0.0]], [[-1.0, -1.0]]])
    classes = [
        (target, torch.full((stop - start, 2, 1, 2), float(target)), slice(start, stop))
        for target, start, stop in ((0, 0, 2), (1, 2, 4), (2, 4, 5))
    ]
    attribution = {"image": np.arange(5), "raw": maps}
    write_arrays(tmp_path / "0.npz", features_of_classes(classes, attribution, NAMES))
    return tmp_path / "0.npz"


def test_a_class_without_enough_features_is_listed_with_the_reason(file):
    table = class_table([file])
    assert table["status"].tolist() == ["ok", "skipped", "skipped"]
    assert table["n_features"].tolist() == [3, 1, 0]
    assert table["class_name"].tolist() == NAMES
    assert "only 1 of its images" in table["reason"][1]
    assert "no position" in table["reason"][2]


def test_a_bank_reads_the_classes_that_can_be_contrasted(file):
    bank = FeatureBank([file])
    assert list(bank) == [0]
    assert bank[0].images.tolist() == [0, 1, 1]


def test_the_other_map_can_choose_the_positions():
    attribution = {"image": np.arange(2), "raw": np.zeros((2, 1, 2)), "rectified": np.ones((2, 1, 2))}
    classes = [(0, torch.ones(2, 3, 1, 2), slice(0, 2))]
    assert features_of_classes(classes, attribution, NAMES, maps="rectified")["n_features"].tolist() == [4]
    assert features_of_classes(classes, attribution, NAMES, maps="raw")["n_features"].tolist() == [0]
