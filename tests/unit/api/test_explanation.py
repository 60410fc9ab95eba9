"""One class explained in memory: the parts fit each other, and what is said wrong is answered with what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import conceptrast as cc
from conceptrast.api.explanation import Explanation
from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError, ModelError
from conceptrast.concepts.combined_image import assemble
from conceptrast.concepts.recipes import Recipe
from conceptrast.data.dataset import Dataset, open_dataset
from conceptrast.data.loading import views
from conceptrast.figures.class_card import draw_class_card
from conceptrast.models.inference import predict
from conceptrast.models.model import Model, Preprocess

RECIPE = Recipe("small", components=3, kernel=2, stride=2, window=0.5, layout="grid", distinct=True)
PREPROCESS = Preprocess(96, 96, (0.5,) * 3, (0.25,) * 3)
NAMES = ["first", "second", "third", "fourth"]


def network() -> nn.Sequential:
    """Random but seeded, without dead outputs: the last layer looks at differences between channels."""
    generator = torch.Generator().manual_seed(5)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 8, stride=8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 4, bias=False),
    )
    for weights in layers.parameters():
        weights.data = 0.3 * torch.randn(weights.shape, generator=generator)
    return layers


@pytest.fixture(scope="module")
def model() -> Model:
    return Model("small", network(), PREPROCESS, NAMES)


@pytest.fixture(scope="module")
def images() -> tuple[Dataset, pd.DataFrame]:
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 64}, seed=2)
    return dataset, dataset.build_index().table


@pytest.fixture(scope="module")
def predictions(model, images) -> pd.DataFrame:
    return predict(model, views(*images, model.preprocess, 64))


@pytest.fixture(scope="module")
def target(predictions) -> int:
    counts = predictions["predicted"].value_counts()
    assert len(counts) > 1, "the pictures must be of several classes, or exclude_target is empty"
    return int(counts.index[0])


@pytest.fixture(scope="module")
def explanation(model, images, target) -> Explanation:
    return cc.Study(model, images, layer="3", samples=2).explain(target, recipe=RECIPE)


def test_parts_have_the_shapes_that_the_recipe_says(explanation, predictions, target) -> None:
    assert explanation.class_name == NAMES[target]
    assert explanation.n_images == int((predictions["predicted"] == target).sum())
    assert explanation.components.shape == (3, 12)
    assert (explanation.components >= 0).all()
    assert set(explanation.patches) == set(explanation.assembled) == {"all", "exclude_target"}
    for rows in explanation.patches.values():
        assert [patch.shape for row in rows for patch in row] == [(48, 48, 3)] * (3 * 8)
    assert 0 <= explanation.reconstruction_error < 1
    assert explanation.completeness_gap == pytest.approx(0, abs=1e-4)


def test_candidates_that_are_compared_again_are_explained_and_resampled_too(model, images, target) -> None:
    recipe = replace(RECIPE, name="alone", weighting="auto", similarity="whitened", candidates=8)
    explanation = cc.Study(model, images, layer="3", samples=2).explain(target, recipe=recipe, draws=0)
    assert set(explanation.prediction["selection"]) == {"all", "exclude_target"}
    assert (explanation.prediction["resamples"] > 0).all()
    for _, patches in explanation.prototypes.groupby(["component", "selection"]):
        assert patches["rank"].tolist() == list(range(len(patches)))
        assert patches["similarity"].iloc[1:].is_monotonic_decreasing  # the first is the one in the combined image
        assert len(patches) <= 8


def test_excluded_images_give_no_patch(explanation, predictions, target) -> None:
    patches = explanation.prototypes.merge(predictions[["image", "predicted"]], on="image")
    excluded = patches[patches["selection"] == "exclude_target"]
    assert len(excluded)
    assert (excluded["predicted"] != target).all()
    assert (patches[patches["selection"] == "all"]["predicted"] == target).any()


def test_patches_are_cut_from_the_pictures_that_the_table_names(explanation, images, model) -> None:
    dataset, table = images
    first = explanation.prototypes.query("selection == 'all' and component == 1 and rank == 0").iloc[0]
    row = next(row for row in table.itertuples() if row.image == first["image"])
    view = model.preprocess.view(dataset.picture(row)).permute(1, 2, 0).numpy()
    box = view[first["top"] : first["top"] + first["height"], first["left"] : first["left"] + first["width"]]
    assert np.array_equal(explanation.patches["all"][1][0], box)


def test_verdict_is_what_the_model_says_of_the_assembled_image(explanation, model, target) -> None:
    for row in explanation.prediction.itertuples():
        picture = torch.from_numpy(explanation.assembled[row.selection]).permute(2, 0, 1)
        probabilities = model.module(model.preprocess.normalise(picture[None])).softmax(1)[0]
        assert row.predicted == NAMES[int(probabilities.argmax())]
        assert row.probability == pytest.approx(float(probabilities[target]), abs=1e-5)
        assert row.match == (int(probabilities.argmax()) == target)


def test_assembled_image_is_made_of_the_chosen_patches(explanation) -> None:
    for selection, rows in explanation.card.rows.items():
        patches = [torch.from_numpy(row.patches[row.chosen]).permute(2, 0, 1) for row in rows]
        expected = assemble(torch.stack(patches), "grid").permute(1, 2, 0).numpy()
        assert np.array_equal(explanation.assembled[selection], expected)


def test_table_and_text(explanation, target) -> None:
    table = explanation.table()
    assert table["selection"].tolist() == ["all", "exclude_target"]
    assert not table.isna().to_numpy().any()
    assert (table["class"] == target).all()
    assert NAMES[target] in str(explanation)


def test_a_verdict_says_how_sure_it_is(explanation) -> None:
    """Beside it: a hundred images of random patches, and resamples of the class's images."""
    table = explanation.table()
    assert table["chance_draws"].tolist() == [100, 100]
    assert table["resamples"].tolist() == [20, 20]
    rates = table[["chance", "chance_low", "chance_high", "chance_probability", "stable", "low", "high"]].to_numpy(
        float
    )
    assert ((rates >= 0) & (rates <= 1)).all()
    assert (table["low"] <= table["high"]).all()
    text = str(explanation)
    for row in table.itertuples():
        assert f"chance: {100 * row.chance:.0f} % of 100 images of random patches match" in text
        assert f"resampled: p {row.low:.2f} to {row.high:.2f}, {100 * row.stable:.0f} % of 20 match" in text


def test_few_images_are_said_to_be_few_and_one_is_refused(model, images, predictions) -> None:
    dataset, table = images
    counts = predictions["predicted"].value_counts()
    target = int(counts.index[0])
    of_class = predictions.loc[predictions["predicted"] == target, "image"].tolist()
    others = predictions.loc[predictions["predicted"] != target, "image"].tolist()[:6]

    def study(count: int) -> cc.Study:
        rows = table[table["image"].isin([*of_class[:count], *others])]
        return cc.Study(model, (dataset, rows), layer="3", samples=0)

    assert "fewer than 20 images: other images of the class" in str(study(5).explain(target, recipe=RECIPE))
    with pytest.raises(ConceptrastError, match=r"only one of 7 pictures is predicted as .* needs 2 pictures of it"):
        study(1).explain(target, recipe=RECIPE)


def test_components_are_weighed_and_matched(explanation) -> None:
    table = explanation.components_table()
    assert table["rank"].tolist() == [0, 1, 2]
    assert table["logit_drop"].is_monotonic_decreasing
    assert table[["cosine", "back", "returns"]].notna().all(axis=None)
    assert [facts.drop for facts in explanation.card.facts] == pytest.approx(
        explanation.importance["logit_drop"].tolist()
    )
    assert [facts.returns for facts in explanation.card.facts] == explanation.stability["returns"].tolist()
    assert f"component {table['component'].iloc[0] + 1} matters most" in str(explanation)


def test_a_class_with_one_image_has_importance_and_no_stability(model, images, predictions, target) -> None:
    dataset, table = images
    one = predictions.loc[predictions["predicted"] == target, "image"].iloc[:1]
    others = predictions.loc[predictions["predicted"] != target, "image"]
    kept = table[table["image"].isin([*one, *others])]
    study = cc.Study(model, (dataset, kept), layer="3", samples=0)
    assert study.importance(target, recipe=RECIPE).means["n_images"].tolist() == [1] * 3
    stability = study.stability(target, recipe=RECIPE)
    assert stability.reason == "one image: there is nothing to compare"
    assert set(stability.table()["status"]) == {"skipped"}
    assert stability.reason in str(stability)
    stability.plot()


def test_importance_fidelity_and_stability_are_answers_of_their_own(model, images, target, explanation) -> None:
    study = cc.Study(model, images, layer="3", samples=2)
    importance = study.importance(target, recipe=RECIPE, sobol=4)
    pd.testing.assert_series_equal(
        importance.means["logit_drop"], explanation.importance["logit_drop"], check_exact=False, rtol=1e-4
    )
    assert importance.table()["rank"].tolist() == [0, 1, 2]
    assert "sobol_total" in importance.table().columns
    fidelity = study.fidelity(target, recipe=RECIPE, images=3, orders=2)
    assert fidelity.table()["n_images"].tolist() == [3] * 4
    stability = study.stability(target, recipe=RECIPE)
    pd.testing.assert_frame_equal(stability.components, explanation.stability, check_exact=False, rtol=1e-3)
    for answer in (importance, fidelity, stability):
        answer.plot()
        assert NAMES[target] in str(answer)
        assert "<table" in answer._repr_html_()


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        ("importance", {"images": 0}, "images must be at least 1, got 0"),
        ("importance", {"sobol": -1}, "sobol must be at least 0, got -1"),
        ("fidelity", {"orders": 0}, "orders must be at least 1, got 0"),
        ("stability", {"draws": -1}, "draws must be at least 0, got -1"),
        ("explain", {"draws": -1}, "draws must be at least 0, got -1"),
    ],
)
def test_numbers_that_are_too_small_are_refused(model, images, target, question, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        getattr(cc.Study(model, images, layer="3"), question)(target, recipe=RECIPE, **options)


def test_plot_is_the_class_card(explanation) -> None:
    drawn = explanation.plot()
    card = draw_class_card(explanation.card)
    assert [t.get_text() for t in drawn.axes[0].texts] == [t.get_text() for t in card.axes[0].texts]
    assert len(explanation.card.heatmaps) == 3
    assert all(heatmap.maps.shape == (3, 12, 12) for heatmap in explanation.card.heatmaps)


def test_same_seed_same_explanation_and_name_or_index(model, images, target, explanation) -> None:
    again = cc.Study(model, images, layer="3", samples=2, batch_size=5).explain(NAMES[target], recipe=RECIPE)
    pd.testing.assert_frame_equal(again.prototypes, explanation.prototypes, rtol=1e-4)
    pd.testing.assert_frame_equal(again.prediction, explanation.prediction, rtol=1e-4)


def test_bare_network_needs_preprocessing_and_takes_pictures(images, target, explanation) -> None:
    dataset, table = images
    pictures = [dataset.picture(row) for row in table.itertuples()]
    with pytest.raises(ModelError, match=r"preprocess=Preprocess\("):
        cc.Study(network(), pictures, layer="3")
    with pytest.raises(ModelError, match="4 outputs, but 2 class names"):
        cc.Study(network(), pictures, layer="3", preprocess=PREPROCESS, class_names=["a", "b"])
    study = cc.Study(network(), pictures, layer="3", samples=2, preprocess=PREPROCESS, class_names=NAMES)
    bare = study.explain(target, recipe=RECIPE)
    assert bare.components == pytest.approx(explanation.components, rel=1e-3, abs=1e-6)


def test_class_that_nothing_is_predicted_as(model, images, predictions) -> None:
    missing = next(index for index in range(4) if index not in set(predictions["predicted"]))
    with pytest.raises(ConceptrastError, match=r"none of 64 pictures is predicted as .*; most frequent: \w+ \(\d+\)"):
        cc.Study(model, images, layer="3").explain(missing, recipe=RECIPE)


def test_all_predicted_as_the_class_leaves_one_selection(model, images, predictions, target, caplog) -> None:
    dataset, table = images
    predicted = table[table["image"].isin(predictions[predictions["predicted"] == target]["image"])]
    answer = cc.Study(model, (dataset, predicted), layer="3", samples=0).explain(target, recipe=RECIPE)
    assert answer.prediction["selection"].tolist() == ["all"]
    assert "exclude_target" in caplog.text
    answer.plot()


def test_wrong_names_are_answered_with_right_ones(model, images, target) -> None:
    with pytest.raises(ConfigError, match="unknown class 'frist'; nearest: first"):
        cc.Study(model, images, layer="3").explain("frist")
    with pytest.raises(ConfigError, match="class 9 does not exist"):
        cc.Study(model, images, layer="3").explain(9)
    with pytest.raises(LayerError, match="33"):
        cc.Study(model, images, layer="33")
    with pytest.raises(ConfigError, match="unknown recipe 'recomended'; nearest: recommended"):
        cc.Study(model, images, layer="3").explain(target, recipe="recomended")
    with pytest.raises(ConfigError, match="precision"):
        cc.Study(model, images, layer="3", precision="float3")
    with pytest.raises(ConfigError, match="deplift"):
        cc.Study(model, images, layer="3", attribution="deplift")
