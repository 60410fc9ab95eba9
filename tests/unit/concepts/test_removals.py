"""Importance and fidelity on a linear network, where every answer is known; and on what is degenerate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import auc
from torch import Tensor, nn

from conceptrast.concepts.component_removal import ClassSuffix, ComponentParts
from conceptrast.concepts.fidelity import area, fidelity_table, image_curves, mean_curves, reconstruction_table
from conceptrast.concepts.importance import importance_table
from conceptrast.concepts.removals import (
    ClassRemovals,
    RemovalOptions,
    Removals,
    other_class,
    removal_images,
    study_removals,
)
from conceptrast.models.split import SplitModel

H = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
SLOPES = (4.0, 2.0, 1.0)


def linear(slopes: tuple[float, ...] = SLOPES) -> SplitModel:
    """A network of two classes whose first logit is a sum of mean channels, and whose second is 0."""
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
    network[3].weight.data = torch.tensor([slopes, (0.0,) * 3])
    network[3].bias.data.zero_()
    return SplitModel(network, "0")


def activations_of(n: int = 3, seed: int = 0) -> Tensor:
    return torch.from_numpy(0.5 + np.random.default_rng(seed).random((n, 3, 2, 2), dtype=np.float32))


def removals_of(
    split: SplitModel | None = None, vectors: np.ndarray = H, n: int = 3, **options: int | bool
) -> tuple[Removals, Tensor]:
    activations = activations_of(n)
    removals = study_removals(
        [(0, np.arange(10, 10 + n), activations)],
        {"ours": {0: ComponentParts(vectors, np.ones(3)), 1: ComponentParts(vectors[::-1], np.ones(3))}},
        split or linear(),
        RemovalOptions(**options),
        class_names=["cat", "dog"],
    )
    return removals, activations


def test_in_a_linear_network_importance_is_what_a_channel_adds_to_the_logit() -> None:
    removals, activations = removals_of()
    rows = removals.importance
    expected = activations.mean(dim=(2, 3)).numpy() * np.array(SLOPES)
    assert rows["logit_drop"].to_numpy().reshape(3, 3) == pytest.approx(expected, abs=1e-4)
    assert rows["logit_drop_all"].to_numpy().reshape(3, 3)[:, 0] == pytest.approx(expected.sum(axis=1), abs=1e-4)
    table = importance_table(rows)
    assert table["share"].astype(float).to_numpy() == pytest.approx(expected.sum(0) / expected.sum(), abs=1e-4)
    assert table["share"].sum() == pytest.approx(1.0, abs=1e-4)
    assert table["rank"].tolist() == [0, 1, 2]
    assert (table["low"] <= table["logit_drop"]).all()
    assert (table["high"] >= table["logit_drop"]).all()
    assert table["n_images"].tolist() == [3, 3, 3]


def test_total_effects_are_those_of_a_sum() -> None:
    removals, activations = removals_of(sobol=512)
    part = activations.mean(dim=(2, 3)).numpy() * np.array(SLOPES)
    expected = (part**2 / (part**2).sum(axis=1, keepdims=True)).mean(axis=0)
    table = importance_table(removals.importance)
    assert table["sobol_total"].astype(float).to_numpy() == pytest.approx(expected, abs=0.02)
    assert (table["sobol_low"] <= table["sobol_total"]).all()


def test_a_logit_that_does_not_change_gives_drops_of_zero_and_no_shares() -> None:
    removals, _ = removals_of(linear((0.0, 0.0, 0.0)), sobol=8)
    table = importance_table(removals.importance)
    assert table["logit_drop"].tolist() == [0.0] * 3
    assert table["rank"].tolist() == [0, 1, 2]
    for column in ("share", "share_low", "share_high", "sobol_total", "sobol_low", "sobol_high"):
        assert table[column].isna().all()
    fidelity = fidelity_table(removals.curves)
    assert fidelity["deletion"].tolist() == pytest.approx([0.5] * 4)
    assert fidelity[["deletion_gain", "insertion_gain"]].abs().to_numpy().max() == pytest.approx(0.0)


def test_components_of_zeros_carry_nothing() -> None:
    removals, _ = removals_of(vectors=np.zeros((2, 3)))
    table = importance_table(removals.importance)
    assert table["logit_drop"].tolist() == table["logit_drop_random"].tolist() == [0.0, 0.0]
    assert table["share"].isna().all()
    of_class = removals.answers[removals.answers["baseline"] == "none"]
    assert of_class["hoyer"].isna().all()
    summary = reconstruction_table(removals.answers)
    assert summary["hoyer"].isna().all()
    assert summary["accuracy"].notna().all()


def test_more_components_than_images_and_one_component() -> None:
    removals, _ = removals_of(n=1)
    assert removals.importance["component"].tolist() == [0, 1, 2]
    assert (
        importance_table(removals.importance)["low"].tolist()
        == importance_table(removals.importance)["logit_drop"].tolist()
    )
    single, _ = removals_of(vectors=H[:1], n=2)
    assert fidelity_table(single.curves)["deletion"].notna().all()
    assert single.answers["hoyer"].isna().all()


def test_a_study_of_one_class_has_no_components_of_others() -> None:
    removals = ClassRemovals(ClassSuffix(linear(), 0), ComponentParts(H, np.ones(3)), RemovalOptions())
    removals.add(np.arange(2), activations_of(2))
    assert {row["baseline"] for row in removals.answers} == {"none"}
    assert other_class(3, [3], seed=0) is None
    assert other_class(3, [3, 5, 9], seed=0) in (5, 9)


def test_no_classes_give_empty_tables() -> None:
    removals = study_removals([], {"ours": {}}, linear(), RemovalOptions(), class_names=[])
    assert importance_table(removals.importance).empty
    assert fidelity_table(removals.curves).empty
    assert reconstruction_table(removals.answers).empty


def test_batches_and_other_classes_change_nothing() -> None:
    activations = activations_of(4)
    components = {"ours": {target: ComponentParts(H, np.ones(3)) for target in (0, 1)}}
    options = RemovalOptions()

    def of(classes, batch_size):
        return study_removals(classes, components, linear(), options, class_names=["cat", "dog"], batch_size=batch_size)

    both = of([(0, np.arange(2), activations[:2]), (1, np.arange(2, 4), activations[2:])], 64)
    alone = of([(1, np.arange(2, 4), activations[2:])], 2)
    for name in ("importance", "curves", "answers"):
        table = getattr(both, name)
        of_one = table[table["class"] == 1].reset_index(drop=True)
        pd.testing.assert_frame_equal(of_one, getattr(alone, name), rtol=1e-5)


def test_the_same_seed_gives_the_same_tables_and_another_seed_other_chance_rows() -> None:
    first, _ = removals_of()
    again, _ = removals_of()
    other, _ = removals_of(seed=1)
    pd.testing.assert_frame_equal(first.importance, again.importance)
    pd.testing.assert_frame_equal(first.curves, again.curves)
    assert not first.importance["logit_drop_random"].equals(other.importance["logit_drop_random"])
    assert first.importance["logit_drop"].equals(other.importance["logit_drop"])


def test_images_are_drawn_once_and_all_are_taken_if_there_are_few() -> None:
    assert removal_images(np.array([4, 7]), 0, RemovalOptions(images=5)).tolist() == [4, 7]
    drawn = removal_images(np.arange(100), 3, RemovalOptions(images=5))
    assert len(set(drawn.tolist())) == 5
    assert drawn.tolist() == sorted(drawn.tolist())
    assert drawn.tolist() == removal_images(np.arange(100), 3, RemovalOptions(images=5)).tolist()
    assert drawn.tolist() != removal_images(np.arange(100), 4, RemovalOptions(images=5)).tolist()


def by_hand(order: list[int], parts: Tensor, rest: Tensor, put_in: bool) -> list[float]:
    """The class's probability while components are taken out, or put in, in an order."""
    probabilities = []
    for step in range(len(order) + 1):
        left = order[:step] if put_in else order[step:]
        state = rest + sum((parts[i] for i in left), torch.zeros_like(rest))
        logit = float((state.mean(dim=(1, 2)) * torch.tensor(SLOPES)).sum())
        probabilities.append(1 / (1 + np.exp(-logit)))
    return probabilities


@pytest.mark.parametrize("rest", ["kept", "left_out"])
def test_curves_are_those_that_are_worked_out_by_hand(rest: str) -> None:
    activations = activations_of(1)[0]
    parts = 0.6 * torch.stack([activations * torch.eye(3)[i][:, None, None] for i in range(3)])
    order = [0, 1, 2]
    random_orders = np.array([[2, 0, 1], [1, 2, 0]])
    suffix = ClassSuffix(linear(), 0)
    curves = {
        (curve.rest, curve.baseline, curve.curve): curve.probabilities
        for curve in image_curves(suffix, activations, parts, np.array(order), random_orders=random_orders)
    }
    left = activations - parts.sum(0) if rest == "kept" else torch.zeros_like(activations)
    assert curves[rest, "none", "deletion"] == pytest.approx(by_hand(order, parts, left, put_in=False), abs=1e-5)
    assert curves[rest, "none", "insertion"] == pytest.approx(by_hand(order, parts, left, put_in=True), abs=1e-5)
    random = np.mean([by_hand(numbers.tolist(), parts, left, put_in=False) for numbers in random_orders], axis=0)
    assert curves[rest, "random_order", "deletion"] == pytest.approx(random, abs=1e-5)
    assert curves[rest, "random_order", "insertion"] == pytest.approx(random[::-1], abs=1e-5)


def test_areas_are_those_of_scikit_learn() -> None:
    curves = np.random.default_rng(0).random((4, 7))
    assert area(curves) == pytest.approx([auc(np.linspace(0, 1, 7), curve) for curve in curves])


def test_importance_leaves_less_than_random_orders_and_brings_back_more() -> None:
    removals, _ = removals_of(orders=6)
    table = fidelity_table(removals.curves).set_index(["rest", "baseline"])
    for rest in ("kept", "left_out"):
        assert table.loc[(rest, "none"), "deletion"] < table.loc[(rest, "random_order"), "deletion"]
        assert table.loc[(rest, "none"), "insertion"] > table.loc[(rest, "random_order"), "insertion"]
        gain = table.loc[(rest, "random_order"), "deletion"] - table.loc[(rest, "none"), "deletion"]
        assert table.loc[(rest, "none"), "deletion_gain"] == pytest.approx(gain)
    means = mean_curves(removals.curves)
    assert means.groupby(["rest", "baseline", "curve"])["share"].apply(list).map(len).tolist() == [4] * 8
    assert means["share"].max() == 1.0


def test_without_fidelity_there_is_importance_alone() -> None:
    removals, _ = removals_of(fidelity=False)
    assert len(removals.importance) == 9
    assert removals.curves.empty
    assert removals.answers.empty
