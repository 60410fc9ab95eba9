"""Stability: matches that are known, samples that hold what they should, and classes that cannot be tested."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ShapeError
from conceptrast.concepts.recipes import Factors, Recipe
from conceptrast.concepts.stability import (
    ALIKE,
    COLUMNS,
    CardComponents,
    comes_back,
    match,
    stability_rows,
    stability_table,
)
from conceptrast.concepts.stability_samples import (
    DRAWS,
    HALVES,
    ClassSamples,
    Fitting,
    Redraws,
    Sample,
    class_samples,
    halves,
    redrawn_images,
    sample_components,
)
from conceptrast.data.dataset import open_dataset
from conceptrast.models.inference import predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

RECIPE = Recipe("ours", components=2)
FACTORS = RECIPE.factors
NAMES = ["a", "b", "c", "d"]


def random_components(seed: int, k: int = 5, channels: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).random((k, channels))


def test_a_permutation_and_lengths_do_not_matter() -> None:
    components = random_components(0)
    order = np.array([3, 0, 4, 1, 2])
    pairs = match(components, components[order] * np.arange(1, 6)[:, None])
    assert pairs.cosines == pytest.approx(np.ones(5))
    assert order[pairs.partners].tolist() == [0, 1, 2, 3, 4]
    assert pairs.back.all()


def test_the_sum_of_cosines_is_the_largest_of_all_pairings() -> None:
    from itertools import permutations

    first, second = (random_components(seed) for seed in (1, 2))
    unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (first, second)]
    cosines = unit[0] @ unit[1].T
    best = max(sum(cosines[i, p] for i, p in enumerate(order)) for order in permutations(range(5)))
    assert match(first, second).cosines.sum() == pytest.approx(best)


def test_a_component_comes_back_only_if_its_match_is_like_it_and_like_no_other_more() -> None:
    first = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.9, 0.5]])
    # The second has come back, the first is another thing, and the third looks rather like the second.
    second = np.array([[0.3, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.1]])
    pairs = match(first, second)
    assert pairs.partners.tolist() == [0, 1, 2]
    assert pairs.cosines[0] < ALIKE < pairs.cosines[2]
    assert pairs.back.tolist() == [False, True, False]


def test_components_of_zeros_come_from_nowhere() -> None:
    first = np.array([[0.0, 0.0], [1.0, 0.0]])
    pairs = match(first, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert pairs.cosines.tolist() == [0.0, 1.0]
    assert pairs.back.tolist() == [False, True]
    assert not match(np.zeros((1, 2)), np.zeros((1, 2))).back.any()


def test_components_of_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\[2, 3\] cannot be matched with \[3, 3\]"):
        match(np.ones((2, 3)), np.ones((3, 3)))


def attribution_of(counts: dict[int, int]) -> dict[str, np.ndarray]:
    targets = np.repeat(list(counts), list(counts.values()))
    n = len(targets)
    return {
        "image": 100 + np.arange(n),
        "target": targets,
        "rectified": np.ones((n, 2, 2), np.float32),
        "multiplier": np.ones((n, 3), np.float32),
    }


@pytest.mark.parametrize(("n", "size"), [(2, 1), (7, 3), (30, 15)])
def test_halves_are_equal_in_size_and_share_no_image(n: int, size: int) -> None:
    samples = halves(attribution_of({4: n, 5: 3}), target=4, seed=0)
    images = [set(sample.images.tolist()) for sample in samples]
    assert [len(ids) for ids in images] == [size, size]
    assert not images[0] & images[1]
    assert images[0] | images[1] <= set(range(100, 100 + n))
    assert all(len(sample.attribution["multiplier"]) == size for sample in samples)


def test_one_image_has_no_halves() -> None:
    assert halves(attribution_of({4: 1}), target=4, seed=0) == []
    assert halves(attribution_of({4: 1}), target=5, seed=0) == []


def test_draws_differ_from_each_other_and_take_what_there_is() -> None:
    draws = redrawn_images(np.arange(50), size=10, draws=5, chance=np.random.default_rng(0))
    assert len({tuple(draw.tolist()) for draw in draws}) == 5
    assert all(len(set(draw.tolist())) == 10 for draw in draws)
    few = redrawn_images(np.arange(3), size=10, draws=2, chance=np.random.default_rng(0))
    assert [draw.tolist() for draw in few] == [[0, 1, 2]] * 2


# The whole test on a small network.


@pytest.fixture(scope="module")
def model() -> Model:
    generator = torch.Generator().manual_seed(5)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 8, stride=8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 4, bias=False),
    ).eval()
    for weights in layers.parameters():
        weights.data = 0.3 * torch.randn(weights.shape, generator=generator)
    return Model("small", layers, Preprocess(96, 96, (0.5,) * 3, (0.25,) * 3), NAMES)


@pytest.fixture(scope="module")
def pictures(model) -> Pictures:
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 48}, seed=2)
    return Pictures(dataset, dataset.build_index().table, model, batch_size=16)


@pytest.fixture(scope="module")
def predictions(model, pictures) -> pd.DataFrame:
    return predict(model, pictures.of(pictures.table["image"].to_numpy()))


REDRAWS = Redraws(attribution={"method": "deeplift", "samples": 5, "noise": 0.25}, draws=2, batch_size=8)


def samples_of(pictures: Pictures, predictions: pd.DataFrame, counts: dict[int, int]) -> list[ClassSamples]:
    """Samples of classes of which so many images were factorized."""
    images = {target: predictions.loc[predictions["predicted"] == target, "image"].to_numpy() for target in counts}
    targets = np.concatenate([np.full(count, target) for target, count in counts.items()])
    n = len(targets)
    attribution = {
        "image": np.concatenate([images[target][:count] for target, count in counts.items()]),
        "target": targets,
        "rectified": np.ones((n, 12, 12), np.float32),
        "multiplier": np.ones((n, 12), np.float32),
    }
    return class_samples(pictures, "3", attribution, predictions, targets=list(counts), redraws=REDRAWS)


def test_samples_are_factorized_one_by_one_and_the_rows_say_how_near_they_are(pictures, predictions) -> None:
    target = int(predictions["predicted"].value_counts().index[0])
    classes = samples_of(pictures, predictions, {target: 8})
    assert [(sample.kind, sample.number, len(sample.images)) for sample in classes[0].samples] == [
        (HALVES, 0, 4),
        (HALVES, 1, 4),
        (DRAWS, 0, 4),
        (DRAWS, 1, 4),
    ]
    split = SplitModel(pictures.model, "3")
    fits = sample_components(pictures, split, classes, Fitting([FACTORS]))
    assert {key[:3] for key in fits} == {(target, kind, number) for kind in (HALVES, DRAWS) for number in (0, 1)}
    assert all(components.shape == (2, 12) for components in fits.values())

    card = CardComponents({(target, FACTORS): fits[target, DRAWS, 0, FACTORS]})
    rows = stability_rows(card, fits, classes, [RECIPE], class_names=NAMES)
    assert rows.columns.tolist() == list(COLUMNS)
    assert set(rows["status"]) == {"ok"}
    assert len(rows) == 2 + 2 * 2
    # A draw is compared with itself here.
    itself = rows[(rows["sample"] == DRAWS) & (rows["draw"] == 0)]
    assert itself["cosine"].astype(float).tolist() == pytest.approx([1.0, 1.0])
    assert rows["cosine_chance"].isna().all(), "there is no other class"


def test_noise_and_images_of_draws_differ_from_the_first_ones(pictures, predictions) -> None:
    target = int(predictions["predicted"].value_counts().index[0])
    [of_class] = samples_of(pictures, predictions, {target: 8})
    draws = [sample for sample in of_class.samples if sample.kind == DRAWS]
    assert draws[0].images.tolist() != draws[1].images.tolist()
    again = samples_of(pictures, predictions, {target: 8})[0].samples
    for sample, other in zip(of_class.samples, again, strict=True):
        assert sample.images.tolist() == other.images.tolist()
        assert np.array_equal(sample.attribution["multiplier"], other.attribution["multiplier"])


def test_a_class_with_one_image_says_so(pictures, predictions) -> None:
    target = int(predictions["predicted"].value_counts().index[0])
    classes = samples_of(pictures, predictions, {target: 1})
    assert classes[0].samples == []
    fits = sample_components(pictures, SplitModel(pictures.model, "3"), classes, Fitting([FACTORS]))
    assert fits == {}
    card = CardComponents({(target, FACTORS): np.ones((2, 12))})
    rows = stability_rows(card, fits, classes, [RECIPE], class_names=NAMES)
    assert rows["reason"].tolist() == ["one image: there is nothing to compare"] * 2
    assert comes_back(rows).empty
    table = stability_table(rows)
    assert table["status"].tolist() == ["skipped"] * 2
    assert table["cosine"].isna().all()


def test_more_components_than_positions_and_samples_of_zeros_are_left_out(pictures, predictions) -> None:
    target = int(predictions["predicted"].value_counts().index[0])
    [of_class] = samples_of(pictures, predictions, {target: 4})
    split = SplitModel(pictures.model, "3")
    many = Factors("position", 13)
    assert sample_components(pictures, split, [of_class], Fitting([many])) == {}
    nothing = [
        Sample(
            sample.kind, sample.number, sample.images, {name: 0 * values for name, values in sample.attribution.items()}
        )
        for sample in of_class.samples
    ]
    empty = ClassSamples(target, 4, nothing)
    fits = sample_components(pictures, split, [empty], Fitting([FACTORS]))
    rows = stability_rows(
        CardComponents({(target, FACTORS): np.ones((2, 12))}), fits, [empty], [RECIPE], class_names=NAMES
    )
    assert set(rows["status"]) == {"skipped"}
    assert rows["reason"].str.contains("leave nothing to factorize").all()


def test_without_draws_the_halves_say_what_comes_back(pictures, predictions) -> None:
    target = int(predictions["predicted"].value_counts().index[0])
    [of_class] = samples_of(pictures, predictions, {target: 8})
    alone = ClassSamples(target, 8, [sample for sample in of_class.samples if sample.kind == HALVES])
    fits = sample_components(pictures, SplitModel(pictures.model, "3"), [alone], Fitting([FACTORS]))
    card = CardComponents({(target, FACTORS): fits[target, HALVES, 0, FACTORS]})
    rows = stability_rows(card, fits, [alone], [RECIPE], class_names=NAMES)
    assert rows.loc[rows["sample"] == DRAWS, "reason"].tolist() == ["no draws were made"]
    assert comes_back(rows)["component"].tolist() == [0, 1]


# The tables.


def known_rows() -> tuple[CardComponents, list[ClassSamples], dict]:
    """Two classes: the components of the first come back, those of the second do not."""
    eye = np.eye(4)
    card = CardComponents({(0, FACTORS): eye[:2], (1, FACTORS): eye[[0, 2]]})
    samples = [Sample(kind, number, np.arange(2), {}) for kind in (HALVES, DRAWS) for number in (0, 1)]
    classes = [ClassSamples(target, 4, samples) for target in (0, 1)]
    fits = {(0, sample.kind, sample.number, FACTORS): eye[[1, 0]] for sample in samples}
    fits |= {(1, sample.kind, sample.number, FACTORS): eye[[3, 1]] for sample in samples}
    return card, classes, fits


def test_chance_is_what_other_classes_give_and_tables_sum_up() -> None:
    card, classes, fits = known_rows()
    rows = stability_rows(card, fits, classes, [RECIPE], class_names=NAMES)
    assert rows.groupby(["class", "component"])["cosine_chance"].first().tolist() == [1.0, 0.0, 1.0, 0.0]
    assert comes_back(rows)["returns"].tolist() == [True, True, False, False]
    table = stability_table(rows).set_index(["sample", "class_name", "baseline"])
    assert table.loc[(DRAWS, "a", "none"), ["cosine", "back", "returned"]].tolist() == [1.0, 1.0, 1.0]
    assert table.loc[(DRAWS, "b", "none"), ["cosine", "back", "returned"]].tolist() == [0.0, 0.0, 0.0]
    everything = table.loc[(DRAWS, "all classes", "none")]
    assert everything[["n_images", "n_components", "cosine", "low", "high", "returned"]].tolist() == [
        8,
        4,
        0.5,
        0,
        1,
        0.5,
    ]
    chance = table.loc[(DRAWS, "all classes", "other_class")]
    assert chance[["cosine", "back"]].tolist() == [0.5, 0.5]


def test_no_classes_give_no_rows() -> None:
    rows = stability_rows(CardComponents({}), {}, [], [RECIPE], class_names=[])
    assert rows.empty
    assert comes_back(rows).empty
    assert stability_table(rows).empty


def test_of_many_classes_some_are_compared_and_always_the_same_ones() -> None:
    components = {(target, FACTORS): random_components(target, k=2) for target in range(40)}
    card = CardComponents(components)
    once = card.chance(3, FACTORS, seed=0)
    again = card.chance(3, FACTORS, seed=0)
    assert once is not None
    assert again is not None
    assert once[0].tolist() == again[0].tolist()
