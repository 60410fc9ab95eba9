"""The search equals brute force, whatever the order of images and the size of blocks."""

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.base.errors import ConceptrastError, ShapeError
from conceptrast.concepts.class_prototypes import class_prototypes, sought
from conceptrast.concepts.prototype_search import PatchSearch, nearest_patches
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.whitening import Whitening

CLASSES = np.array([2, 2, 5, 5])


@pytest.fixture
def bank() -> torch.Tensor:
    """Images of small whole numbers, so that many similarities tie exactly; some positions are zero."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 3, (50, 4, 2, 3)).astype(np.float32))


@pytest.fixture
def components() -> np.ndarray:
    return np.array([[1, 0, 0, 0], [1, 2, 0, 1], [0, 0, 0, 0], [2, 1, 1, 0]], dtype=np.float32)


@pytest.fixture
def predicted() -> np.ndarray:
    return np.random.default_rng(1).choice([2, 5, 7], 50)


def brute_force(bank, components, predicted, k: int, distinct: bool) -> pd.DataFrame:
    """Every similarity, one by one, and a plain sort."""
    ranked = []
    for number, component in enumerate(components.astype(np.float64)):
        for selection in ("all", "exclude_target"):
            every = []
            for image, row, column in np.ndindex(len(bank), *bank.shape[2:]):
                if selection == "exclude_target" and predicted[image] == CLASSES[number]:
                    continue
                patch = bank[image, :, row, column].double().numpy()
                product = np.linalg.norm(patch) * np.linalg.norm(component)
                similarity = np.float32(round(float(patch @ component / product), 6)) if product else np.float32(0)
                every.append((-similarity, image, row, column))
            seen: set[int] = set()
            for negative, image, row, column in sorted(every):
                if len([row for row in ranked if row[:2] == (number, selection)]) == k or (distinct and image in seen):
                    continue
                seen.add(image)
                ranked.append((number, selection, image, row, column, -negative))
    return pd.DataFrame(ranked, columns=["component", "selection", "image", "row", "column", "similarity"])


def searched(bank, components, predicted, order=None, cuts=(), k=6, **options) -> pd.DataFrame:
    search = PatchSearch(components, k=k, classes=CLASSES, **options)
    order = np.arange(len(bank)) if order is None else order
    for part in np.split(order, cuts):
        search.update(part, bank[torch.from_numpy(part)], predicted[part])
    return search.result()


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("k", [1, 6, 16])
def test_equal_to_brute_force(bank, components, predicted, distinct: bool, k: int) -> None:
    patches = searched(bank, components, predicted, k=k, distinct=distinct)
    expected = brute_force(bank=bank, components=components, predicted=predicted, k=k, distinct=distinct)
    names = ["component", "selection", "image", "row", "column"]
    ours = patches.sort_values(["component", "selection", "rank"])[names].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, expected[names], check_dtype=False)
    np.testing.assert_allclose(
        patches.sort_values(["component", "selection", "rank"])["similarity"], expected["similarity"], atol=2e-6
    )


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("cuts", [(), (1, 2), (7, 30), tuple(range(1, 50))])
@pytest.mark.parametrize("block_values", [1, 100, 2**20])
def test_blocks_and_order_of_images_do_not_matter(bank, components, predicted, distinct, cuts, block_values) -> None:
    expected = searched(bank, components, predicted, distinct=distinct)
    order = np.random.default_rng(len(cuts)).permutation(50)
    patches = searched(
        bank=bank,
        components=components,
        predicted=predicted,
        order=order,
        cuts=cuts,
        distinct=distinct,
        block_values=block_values,
    )
    pd.testing.assert_frame_equal(patches, expected)


def test_similarities_of_real_numbers_do_not_depend_on_blocks() -> None:
    rng = np.random.default_rng(3)
    bank = torch.from_numpy(rng.random((60, 257, 3, 3), dtype=np.float32))
    bank[30:] = bank[:30]  # every patch has an equal twin
    components = rng.random((4, 257))
    predicted = np.full(60, 9)
    whole = searched(bank, components, predicted)
    parts = searched(
        bank=bank,
        components=components,
        predicted=predicted,
        order=np.arange(60)[::-1].copy(),
        cuts=(7, 8, 23),
        block_values=40,
    )
    pd.testing.assert_frame_equal(whole, parts)
    best = whole[(whole["selection"] == "all") & (whole["rank"] < 2)]
    assert (best.groupby("component")["image"].apply(lambda pair: pair.iloc[1] - pair.iloc[0]) == 30).all()


def test_excluded_images_never_show(bank, components, predicted) -> None:
    patches = searched(bank, components, predicted, k=16)
    outside = patches[patches["selection"] == "exclude_target"]
    assert (predicted[outside["image"]] != CLASSES[outside["component"]]).all()
    everywhere = np.full(50, 2)
    patches = searched(bank, components, everywhere)
    assert set(patches.loc[patches["selection"] == "exclude_target", "component"]) == {2, 3}


def test_distinct_keeps_the_best_patch_of_an_image(bank, components, predicted) -> None:
    patches = searched(bank, components, predicted, k=16, distinct=True)
    assert not patches.duplicated(["component", "selection", "image"]).any()


def test_zeros_have_similarity_zero(components) -> None:
    patches = nearest_patches(torch.zeros(2, 4, 1, 1), components, k=2)
    assert (patches["similarity"] == 0).all()
    assert patches["image"].tolist() == [0, 1] * 4


@pytest.mark.parametrize("scale", [1e-10, 1e-22, 1e-25, 1e-35])
def test_a_tiny_patch_that_is_parallel_is_before_a_large_one_that_is_not(scale: float) -> None:
    large = torch.tensor([1.0, 2.0, 0.06, 1.0])
    tiny = torch.tensor([1.0, 2.0, 0.0, 1.0]) * scale
    patches = nearest_patches(torch.stack([large, tiny])[..., None, None], np.array([[1.0, 2.0, 0.0, 1.0]]), k=1)
    assert patches["image"].tolist() == [1]
    assert patches["similarity"].iloc[0] == pytest.approx(1, abs=1e-6)


def test_fewer_patches_than_asked_for() -> None:
    patches = nearest_patches(torch.ones(1, 2, 1, 2), np.ones((1, 2)), k=5)
    assert patches[["rank", "column"]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_exclude_leaves_images_out_and_inputs_alone(bank, components) -> None:
    before = bank.clone()
    exclude = np.arange(50) % 2 == 0
    patches = nearest_patches(bank, components, k=4, exclude=exclude)
    assert (patches["image"] % 2 == 1).all()
    assert torch.equal(bank, before)


def test_bad_arguments_are_named(bank, components, predicted) -> None:
    with pytest.raises(ShapeError, match=r"\[50, 4, 2, 3\] do not fit components of 3 channels"):
        nearest_patches(bank, components[:, :3])
    with pytest.raises(ShapeError, match="3 entries for 4 components"):
        PatchSearch(components, classes=CLASSES[:3])
    with pytest.raises(ShapeError, match="predicted class of each image is needed"):
        PatchSearch(components, classes=CLASSES).update(np.arange(50), bank)
    bank[3, 0, 0, 0] = np.nan
    with pytest.raises(ConceptrastError, match="not finite"):
        nearest_patches(bank, components)


def test_each_similarity_is_the_cosine_that_its_formula_names() -> None:
    rng = np.random.default_rng(6)
    activations = torch.from_numpy(rng.random((20, 6, 3, 3), dtype=np.float32))
    sets = {"classes": np.array([0, 1]), "weights_channel_k2": rng.random((2, 6)).astype(np.float32)}
    sets |= {f"{name}_channel_k2": rng.random((2, 2, 6)).astype(np.float32) for name in ("components", "patterns")}
    whitening = Whitening.of([activations])
    rows = activations.permute(0, 2, 3, 1).flatten(0, 2).double()

    def best_cosine(of_class: int, component: int, similarity: str) -> float:
        vector = torch.from_numpy(sets["components_channel_k2"][of_class, component]).double()
        values = rows
        if similarity == "weighted":
            values = rows * torch.from_numpy(sets["weights_channel_k2"][of_class]).double()
        if similarity == "whitened":
            matrix = whitening.matrix.double()
            pattern = torch.from_numpy(sets["patterns_channel_k2"][of_class, component]).double()
            vector = (pattern - whitening.mean) @ matrix
            values = (rows - whitening.mean) @ matrix
        return float(torch.cosine_similarity(values, vector[None], dim=1).max())

    recipes = [
        Recipe(similarity, 2, "channel", kernel=1, stride=1, similarity=similarity)
        for similarity in ("component", "weighted", "whitened")
    ]
    prototypes = class_prototypes(
        [(np.arange(20), activations)],
        dict.fromkeys(range(20), 5),
        classes=sets["classes"],
        vectors={recipe: sought(recipe, sets, whitening) for recipe in recipes},
        view=(12, 12),
    )
    best = prototypes[(prototypes["rank"] == 0) & (prototypes["selection"] == "all")]
    assert len(best) == 12
    for row in best.itertuples():
        assert row.similarity == pytest.approx(best_cosine(row[1], row.component, row.recipe), abs=1e-4)


def test_prototypes_of_classes_by_two_recipes() -> None:
    rng = np.random.default_rng(5)
    activations = torch.from_numpy(rng.random((30, 8, 4, 4), dtype=np.float32))
    arrays = {
        "classes": np.array([3, 8]),
        "components_position_k2": rng.random((2, 2, 8)),
        "components_position_k5": rng.random((2, 5, 8)),
    }
    predicted = {image: 3 if image < 10 else 8 for image in range(30)}
    recipes = [Recipe("cells", 2), Recipe("windows", 5, kernel=3, stride=1, window=0.5, distinct=True)]
    batches = [(np.arange(at, at + 10), activations[at : at + 10]) for at in (0, 10, 20)]
    prototypes = class_prototypes(
        batches=batches,
        predicted=predicted,
        classes=arrays["classes"],
        vectors={recipe: sought(recipe, arrays, None) for recipe in recipes},
        view=(64, 64),
        k=4,
    )
    counts = prototypes.groupby(["class", "recipe", "component", "selection"]).size()
    assert counts.loc[:, "cells"].eq(4).all()
    assert counts.loc[:, "windows"].eq(5).all()  # one rank for each component, which distinct images may need
    assert prototypes.loc[prototypes["recipe"] == "cells", "height"].eq(32).all()
    assert prototypes.loc[prototypes["recipe"] == "windows", ["height", "width"]].eq(32).all(axis=None)
    outside = prototypes[prototypes["selection"] == "exclude_target"]
    assert (outside["image"].map(predicted) != outside["class"]).all()
    part = prototypes[
        (prototypes["class"] == 8) & (prototypes["recipe"] == "cells") & (prototypes["selection"] == "all")
    ]
    pooled = torch.nn.functional.avg_pool2d(activations, 2)
    alone = nearest_patches(pooled, arrays["components_position_k2"][1], k=4)
    assert part["image"].tolist() == alone["image"].tolist()
    assert (part["top"] // 32).tolist() == alone["row"].tolist()
