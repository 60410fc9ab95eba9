"""Combined images, worked out by hand, and a model whose verdict is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ModelError, ShapeError
from conceptrast.concepts.class_prototypes import class_prototypes, sought
from conceptrast.concepts.combined_image import assemble, chosen_patches, grid_shape
from conceptrast.concepts.component_prediction import (
    component_prediction,
    plan_assemblies,
    probabilities_of,
    random_patches,
    skipped_classes,
)
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.tables import beside_published, component_prediction_table, study_summary
from conceptrast.models.model import Model, Preprocess

from ..headlines import headline_metrics_of

STRIP = Recipe("strip", components=3)
GRID = Recipe("grid", components=3, layout="grid", distinct=True, resize="input")
VIEW = (8, 8)


def plain(k: int) -> torch.Tensor:
    """``k`` patches of one colour each, 2 x 3 pixels."""
    return torch.arange(10, 10 * k + 1, 10, dtype=torch.uint8).reshape(k, 1, 1, 1).expand(k, 3, 2, 3)


def test_strip_puts_patches_under_each_other() -> None:
    image = assemble(plain(3), "strip")
    assert image.shape == (3, 6, 3)
    assert image[0, :, 0].tolist() == [10, 10, 20, 20, 30, 30]


def test_grid_goes_row_by_row_and_fills_with_the_mean_colour() -> None:
    image = assemble(plain(7), "grid")
    assert image.shape == (3, 6, 9)
    assert image[1, ::2, ::3].tolist() == [[10, 20, 30], [40, 50, 60], [70, 40, 40]]
    assert assemble(plain(6), "grid")[2, ::2, ::3].tolist() == [[10, 20], [30, 40], [50, 60]]


def test_pixels_keep_their_order_within_a_patch() -> None:
    patches = torch.arange(4 * 3 * 2 * 2, dtype=torch.uint8).reshape(4, 3, 2, 2)
    image = assemble(patches, "grid")
    assert torch.equal(image[:, 2:, :2], patches[2])
    assert torch.equal(image[:, :2, 2:], patches[1])


@pytest.mark.parametrize("k", range(1, 30))
def test_grids_hold_their_patches_and_waste_no_row(k: int) -> None:
    rows, columns = grid_shape(k)
    assert rows * columns >= k > (rows - 1) * columns
    assert 0 <= rows - columns <= 1


def test_no_patches_no_image() -> None:
    with pytest.raises(ShapeError, match="at least one patch"):
        assemble(torch.zeros(0, 3, 2, 2, dtype=torch.uint8), "strip")


def table_of(images: list[list[int]], similarities: list[list[float]]) -> pd.DataFrame:
    rows = [
        {"component": component, "rank": rank, "image": image, "similarity": similarity}
        for component, (line, values) in enumerate(zip(images, similarities, strict=True))
        for rank, (image, similarity) in enumerate(zip(line, values, strict=True))
    ]
    return pd.DataFrame(rows)


def test_distinct_images_go_to_the_most_similar_component() -> None:
    table = table_of([[1, 2, 3], [1, 2, 4], [2, 1, 5]], [[0.9, 0.8, 0.1], [0.95, 0.7, 0.2], [0.85, 0.6, 0.5]])
    assert chosen_patches(table)["image"].tolist() == [1, 1, 2]
    # component 1 takes image 1, component 2 takes image 2, component 0 falls to its third rank
    chosen = chosen_patches(table, distinct=True)
    assert chosen["image"].tolist() == [3, 1, 2]
    assert chosen["rank"].tolist() == [2, 0, 0]


def test_ties_go_to_the_lower_component_whatever_the_order_of_rows() -> None:
    table = table_of([[1, 2], [1, 3]], [[0.5, 0.4], [0.5, 0.4]])
    shuffled = table.sample(frac=1, random_state=3)
    assert chosen_patches(shuffled, distinct=True)["image"].tolist() == [1, 3]


def test_a_component_without_an_image_left_is_missing() -> None:
    table = table_of([[1], [1]], [[0.5], [0.6]])
    assert chosen_patches(table, distinct=True)["component"].tolist() == [1]


def test_random_patches_lie_inside_and_come_from_different_images() -> None:
    drawn = random_patches(images=np.arange(10), k=10, box=(3, 5), view=VIEW, generator=np.random.default_rng(0))
    assert sorted(drawn["image"]) == list(range(10))
    assert drawn["top"].between(0, 5).all()
    assert drawn["left"].between(0, 3).all()
    whole = random_patches(images=np.array([4]), k=3, box=(8, 8), view=VIEW, generator=np.random.default_rng(0))
    assert len(whole) == 3


@pytest.fixture
def model() -> Model:
    """Says which colour channel is strongest."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Model("mean colour", network, Preprocess(8, 8, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])


def red_green_blue(images: np.ndarray):
    """Image ``i`` is of the colour ``i mod 3``."""
    for image in images:
        view = torch.zeros(1, 3, *VIEW, dtype=torch.uint8)
        view[:, image % 3] = 200
        yield np.array([image]), view


def prototypes_of(classes=(0, 2)) -> pd.DataFrame:
    """The best patches of each class are of its own colour; outside, of the next one."""
    rows = []
    for target in classes:
        for recipe in (STRIP, GRID):
            for selection in ("all", "exclude_target"):
                colour = target if selection == "all" else (target + 1) % 3
                for component in range(3):
                    for rank in range(4):
                        box = {"top": rank, "left": 0, "height": 4, "width": 4}
                        rows.append(
                            {"class": target, "recipe": recipe.name, "component": component, "selection": selection}
                            | {"rank": rank, "image": colour + 3 * rank, **box, "similarity": 1 - rank / 10}
                        )
    return pd.DataFrame(rows)


PREDICTIONS = pd.DataFrame({"image": np.arange(30), "predicted": np.arange(30) % 3})


def plan(prototypes: pd.DataFrame, classes=(0, 2), seed: int = 0):
    return plan_assemblies(
        prototypes=prototypes, predictions=PREDICTIONS, classes=classes, recipes=[STRIP, GRID], view=VIEW, seed=seed
    )


def test_verdicts_of_a_model_that_sees_colours(model: Model) -> None:
    table = component_prediction(model, plan(prototypes_of()), red_green_blue, {0: 10, 2: 10})
    assert len(table) == 2 * 2 * 2 * 3
    real = table[table["baseline"] == "none"]
    assert real.loc[real["selection"] == "all", "match"].all()
    assert not real.loc[real["selection"] == "exclude_target", "match"].any()
    outside = real[real["selection"] == "exclude_target"]
    assert (outside["predicted"] == (outside["class"] + 1) % 3).all()
    other = table[(table["baseline"] == "other_class") & (table["selection"] == "all")]
    assert (other["predicted"] == 2 - other["class"]).all()
    assert table["status"].eq("ok").all()
    assert real.loc[real["selection"] == "all", "probability"].to_numpy(float) == pytest.approx(
        1 / (1 + 2 * np.exp(-200 / 25.5))
    )


def test_chance_rows_depend_on_the_seed_alone() -> None:
    first = plan(prototypes_of())
    again = plan(prototypes_of())
    other = plan(prototypes_of(), seed=1)
    drawn = [
        [a.patches.to_numpy().tolist() for a in plan_of_seed if a.baseline == "random_patches"]
        for plan_of_seed in (first, again, other)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    # a class draws the same patches when other classes leave the study
    alone = [a.patches.to_numpy().tolist() for a in plan(prototypes_of((2,)), (2,)) if a.baseline == "random_patches"]
    assert alone == drawn[0][4:]


def test_another_recipe_in_front_changes_no_chance_row() -> None:
    classes = tuple(range(3))
    prototypes = prototypes_of(classes)
    alone, both = (
        plan_assemblies(
            prototypes=prototypes, predictions=PREDICTIONS, classes=classes, recipes=recipes, view=VIEW, seed=0
        )
        for recipes in ([GRID], [STRIP, GRID])
    )
    drawn = [
        [
            (a.target, a.selection, a.baseline, a.patches.to_numpy().tolist())
            for a in plan_of_recipes
            if a.recipe == GRID
        ]
        for plan_of_recipes in (alone, both)
    ]
    assert len(drawn[0]) == 3 * 2 * 3
    assert drawn[0] == drawn[1]


def test_recipes_and_selections_draw_another_class_each_for_itself() -> None:
    classes = tuple(range(12))
    prototypes = pd.concat([prototypes_of((target,)).assign(image=target) for target in classes])
    recipes = [STRIP, Recipe("again", components=3)]
    prototypes = pd.concat([prototypes, prototypes[prototypes["recipe"] == "strip"].assign(recipe="again")])
    plan = plan_assemblies(
        prototypes=prototypes, predictions=PREDICTIONS, classes=classes, recipes=recipes, view=VIEW, seed=0
    )
    drawn: dict[tuple[str, str], list[int]] = {}
    for assembly in plan:
        if assembly.baseline == "other_class":
            drawn.setdefault((assembly.recipe.name, assembly.selection), []).append(
                int(assembly.patches["image"].iloc[0])
            )
    assert len({tuple(others) for others in drawn.values()}) == 4


def test_a_study_without_components_goes_through_to_its_tables(model: Model) -> None:
    arrays = {"classes": np.empty(0, np.int64), "components_position_k3": np.empty((0, 3, 0), np.float32)}
    full = {"classes": np.array([1]), "components_position_k3": np.ones((1, 3, 2), np.float32)}
    batches = [(np.arange(4), torch.ones(4, 2, 2, 2))]
    predicted = dict.fromkeys(range(4), 0)
    none, some = (
        class_prototypes(
            batches=batches,
            predicted=predicted,
            classes=components["classes"],
            vectors={recipe: sought(recipe, components, None) for recipe in (STRIP, GRID)},
            view=VIEW,
        )
        for components in (arrays, full)
    )
    assert none.empty
    assert none.dtypes.to_dict() == some.dtypes.to_dict()
    asked = component_prediction(model, plan(none, ()), red_green_blue, {})
    missing = skipped_classes({1: (3, "few"), 2: (0, "few")}, model.class_names)
    table = pd.concat([asked, missing])
    assert table["status"].eq("skipped").all()
    summary_table = component_prediction_table(table)
    summary_table.insert(0, "study", "pairs")
    assert summary_table.empty
    summary = study_summary(
        predictions=PREDICTIONS.assign(label=0),
        n_labels=3,
        classes=table,
        components=arrays,
        attributions=[{name: np.empty(0, np.float32) for name in ("completeness_gap", "linear_share")}],
    )
    assert (summary["n_classes"], summary["n_skipped"], summary["n_attributions"]) == (0, 2, 0)
    built = {
        "component_prediction": beside_published(summary_table, {"pairs": {"published": {"all": {"match_rate": 1.0}}}})
    }
    metrics = headline_metrics_of({**built, "studies": pd.DataFrame([{"study": "pairs", **summary}])})
    assert metrics["pairs/n_skipped"] == 2


def test_random_patches_without_the_target_come_from_other_images() -> None:
    for assembly in plan(prototypes_of()):
        if assembly.baseline == "random_patches" and assembly.selection == "exclude_target":
            assert (assembly.patches["image"] % 3 != assembly.target).all()


def test_too_few_distinct_images_are_skipped_with_a_reason(model: Model) -> None:
    prototypes = prototypes_of()
    prototypes["image"] = prototypes["class"] + 3 * (prototypes["rank"] % 2)
    table = component_prediction(model, plan(prototypes), red_green_blue, {0: 10, 2: 10})
    skipped = table[table["recipe"] == "grid"]
    assert skipped["status"].eq("skipped").all()
    assert skipped["reason"].eq("only 2 of 3 patches from different images").all()
    assert skipped["baseline"].eq("none").all()
    assert skipped["probability"].isna().all()
    assert table.loc[table["recipe"] == "strip", "status"].eq("ok").all()


def test_a_study_of_one_class_has_no_other(model: Model) -> None:
    table = component_prediction(model, plan(prototypes_of((0,)), (0,)), red_green_blue, {0: 10})
    other = table[table["baseline"] == "other_class"]
    assert other["reason"].eq("the study has no other class").all()


def test_classes_without_components_have_one_row_and_count_for_every_recipe_and_selection(model: Model) -> None:
    skipped = skipped_classes({1: (3, "few")}, ["red", "green", "blue"])
    assert skipped[["class_name", "n_images", "status", "reason"]].to_numpy().tolist() == [
        ["green", 3, "skipped", "few"]
    ]
    asked = component_prediction(model, plan(prototypes_of((0, 2)), (0, 2)), red_green_blue, {})
    table = component_prediction_table(pd.concat([asked, skipped]))
    assert len(table) > 1
    assert set(table["n_skipped"]) == {1}


def test_the_model_gets_the_size_that_the_recipe_says() -> None:
    seen = []

    class Looking(nn.Module):
        def forward(self, images):
            seen.append(tuple(images.shape[-2:]))
            return images.mean((2, 3))

    model = Model("looking", Looking(), Preprocess(8, 8, (0.0,) * 3, (1.0,) * 3), ["a", "b", "c"])
    picture = torch.full((1, 3, 12, 4), 100, dtype=torch.uint8)
    native, resized = (probabilities_of(model, picture, size) for size in ("native", "input"))
    assert seen == [(12, 4), (8, 8)]
    torch.testing.assert_close(native, resized)


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (RuntimeError("too many rows"), ModelError, r"takes no combined image of 12×4 pixels \(too many rows\)"),
        (torch.OutOfMemoryError("no memory is left"), torch.OutOfMemoryError, "^no memory is left$"),
    ],
)
def test_a_network_that_fails_for_want_of_memory_is_not_blamed_for_the_size(raised, error, message) -> None:
    class Failing(nn.Module):
        def forward(self, _):
            raise raised

    model = Model("failing", Failing(), Preprocess(8, 8, (0.0,) * 3, (1.0,) * 3), ["a", "b", "c"])
    with pytest.raises(error, match=message):
        probabilities_of(model, torch.zeros(1, 3, 12, 4, dtype=torch.uint8))
