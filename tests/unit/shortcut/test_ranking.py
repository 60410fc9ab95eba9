"""Rankings by directions: a known answer, scikit-learn, directions of all kinds, the attack."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.files import write_arrays
from conceptrast.base.statistics import auc_interval
from conceptrast.shortcut.attack import attack_rows, shortcut_columns
from conceptrast.shortcut.directions import (
    RANDOM,
    Candidate,
    cav_candidates,
    component_candidates,
    plane_candidates,
    random_candidates,
)
from conceptrast.shortcut.ranking import RankedPictures, cosine, picture_scores, ranking_rows


def planted(n: int = 60, seed: int = 0) -> RankedPictures:
    """The planted thing adds 5 to channel 0 at one position; a class that goes with it has channel 1."""
    rng = np.random.default_rng(seed)
    has = np.arange(n) % 3 == 0
    activations = 0.5 + 0.1 * rng.random((n, 4, 2, 2))
    activations[has, 0, 0, 0] += 5
    of_class = has | (rng.random(n) < 0.1)
    activations[of_class, 1, 1, 0] += 5
    plain = activations[~has]
    pasted = plain.copy()
    pasted[:, 0, 1, 1] += 5
    return RankedPictures(activations, has, plain, pasted)


def axis(channel: int, kind: str = "component") -> Candidate:
    return Candidate(kind, f"channel {channel}", np.eye(4)[channel])


def test_the_direction_of_the_planted_thing_ranks_perfectly_and_one_that_goes_along_only_as_they_are():
    pictures = planted()
    thing, class_alone, true, chance = ranking_rows([axis(0), axis(1)], random_candidates(4, 0), pictures)
    assert [thing[name] for name in ("auroc", "auroc_pasted", "ap")] == pytest.approx([1, 1, 1])
    assert [thing["auroc_low"], thing["auroc_high"]] == pytest.approx([1, 1])
    assert thing["cosine"] == pytest.approx(1)
    assert (thing["rank"], class_alone["rank"], true["rank"]) == (1, 2, 1)
    assert class_alone["auroc"] > 0.9
    assert 0.4 < class_alone["auroc_pasted"] < 0.55
    assert class_alone["cosine"] == pytest.approx(0)
    assert (true["kind"], true["cosine"]) == ("true", pytest.approx(1))
    np.testing.assert_allclose(pictures.true_direction, [1.25, 0, 0, 0])  # at one of four positions
    assert (chance["kind"], chance["name"]) == ("random", f"mean of {RANDOM} random directions")
    assert chance["auroc_pasted_low"] < chance["auroc_pasted"] < chance["auroc_pasted_high"]
    assert (thing["n_images"], thing["n_with"]) == (60, 20)


def test_areas_and_precisions_are_those_of_scikit_learn():
    pictures = planted()
    vector = np.array([0.1, -0.2, 0.5, 0.3])
    row = ranking_rows([Candidate("cav", "any", vector)], random_candidates(4, 0), pictures)[0]
    scores = picture_scores(pictures.activations, vector)
    assert row["auroc"] == pytest.approx(roc_auc_score(pictures.has, scores))
    assert row["ap"] == pytest.approx(average_precision_score(pictures.has, scores))
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    places = [(i, j) for i in range(2) for j in range(2)]
    by_hand = [max(cosine(vector, activation[:, i, j]) for i, j in places) for activation in pictures.activations]
    np.testing.assert_allclose(scores, by_hand)


def test_the_length_of_a_direction_does_not_count_and_zero_ranks_nothing():
    pictures = planted()
    chance = random_candidates(4, 0)
    one, longer, zero = (
        ranking_rows([Candidate("cav", "x", length * np.array([1.0, 2, 3, 4]))], chance, pictures)[0]
        for length in (1, 9, 0)
    )
    assert one == pytest.approx(longer)
    assert (zero["auroc"], zero["cosine"]) == (0.5, 0)
    assert cosine(np.ones(2), np.array([1.0, -1.0])) == pytest.approx(0)


def test_delongs_interval_holds_the_area_as_often_as_it_says():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    true = stats.norm.cdf(1 / np.sqrt(2))  # of two Gaussians one standard deviation apart
    ends = [auc_interval(rng.normal(size=100) + labels, labels) for _ in range(400)]
    assert 0.92 <= np.mean([low <= true <= high for low, high in ends]) <= 0.975
    with pytest.raises(ConceptrastError, match="two of each label, got 1 and 2"):
        auc_interval(np.arange(3.0), np.array([0, 0, 1]))


def test_too_few_pictures_with_the_thing_are_refused():
    pictures = planted()
    with pytest.raises(ConceptrastError, match="1 of 60 have it"):
        RankedPictures(pictures.activations, np.arange(60) == 0, pictures.plain, pictures.pasted)


def test_candidates_are_the_studys_directions_of_both_classes(tmp_path):
    names = ["a", "b", "c"]
    file = {"classes": np.array([0, 2]), "components_channel_k2": np.arange(12.0).reshape(2, 2, 3)}
    components = component_candidates(file, "components_channel_k2", [2, 1], names)
    assert [candidate.name for candidate in components] == ["c: component 1", "c: component 2"]
    assert components[1].vector.tolist() == [9, 10, 11]
    ace = {"classes": np.array([0, 1, 2]), "concepts": np.array(["a: x", "b: y", "c: z"]), "cavs": np.eye(3)}
    assert [candidate.name for candidate in cav_candidates(ace, [2, 1])] == ["b: y", "c: z"]
    planes = {
        "first_zero": np.array([0]), "second_zero": np.array([2]), "skipped_zero": np.empty((0, 2), np.int64),
        "normals_zero": np.array([[1.0, 2.0, 3.0]]), "biases_zero": np.array([0.5]),
    }  # fmt: skip
    write_arrays(tmp_path / "0.npz", planes)
    [towards], [back] = (plane_candidates([tmp_path / "0.npz"], ["zero"], pair, names) for pair in ((0, 2), (2, 0)))
    assert (towards.name, towards.vector.tolist()) == ("a to c: hyperplane zero", [1, 2, 3])
    assert back.vector.tolist() == [-1, -2, -3]
    assert plane_candidates([tmp_path / "0.npz"], ["zero"], (0, 1), names) == []
    again = random_candidates(3, 0)
    np.testing.assert_array_equal(again[0].vector, random_candidates(3, 0)[0].vector)
    assert not np.array_equal(again[0].vector, random_candidates(3, 1)[0].vector)


def test_the_attack_counts_what_is_right_and_what_is_named_the_planted_class():
    clean, attacked = attack_rows(np.array([8, 8, 8, 1]), np.array([8, 7, 7, 1]), label=8, planted=7)
    assert (clean["accuracy"], clean["named_planted"]) == (0.75, 0)
    assert (attacked["accuracy"], attacked["named_planted"]) == (0.25, 0.5)
    assert attacked["accuracy_low"] < 0.25 < attacked["accuracy_high"]
    assert set(clean) < set(shortcut_columns())
