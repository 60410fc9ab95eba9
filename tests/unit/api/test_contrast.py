"""Two classes contrasted in memory, on pictures whose difference is known, and what is said wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import conceptrast as cc
from conceptrast.api.contrast import Contrast, plane_of_pair
from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError, ModelError
from conceptrast.concepts.recipes import Recipe
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.models.model import Model, Preprocess

RECIPE = Recipe("small", components=2, kernel=1, stride=1, window=0.25)
NAMES = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def model() -> Model:
    """Names the colour that there is most of; its layer sees the three colours at 4×4 positions."""
    network = nn.Sequential(nn.AvgPool2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    network[4].weight.data = 10 * torch.eye(3)
    network[4].bias.data = torch.zeros(3)
    return Model("colours", network, Preprocess(None, 32, (0.5,) * 3, (0.25,) * 3), NAMES)


def picture(number: int, colour: int, spots: int = 3) -> Image.Image:
    """Spots of one colour in cells of 8 pixels on dark grey, and one grey spot."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(10, 30, (32, 32, 3), dtype=np.uint8)
    for place, cell in enumerate(generator.permutation(16)[: spots + 1]):
        top = 8 * (cell // 4)
        left = 8 * (cell % 4)
        pixels[top : top + 8, left : left + 8] = 120 if place == spots else 0
        if place < spots:
            pixels[top : top + 8, left : left + 8, colour] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [picture(number, colour) for colour in (0, 2) for number in range(10)]


@pytest.fixture(scope="module")
def contrast(model, pictures) -> Contrast:
    return cc.Study(model, pictures, layer="1", samples=2, noise=0.05).contrast("red", "blue", recipe=RECIPE)


def test_the_plane_tells_the_colours_apart(contrast):
    red, green, blue = contrast.hyperplane.normal
    assert red < 0 < blue
    assert abs(green) < min(-red, blue)
    assert contrast.accuracy["train_accuracy"] > 0.8
    assert contrast.accuracy["heldout_accuracy"] > 0.8
    assert contrast.n_images == (10, 10)


def test_the_strongest_component_of_either_side_is_its_colour(contrast):
    assert contrast.components["for"][0].argmax() == 0
    assert contrast.components["against"][0].argmax() == 2
    for side in ("for", "against"):
        assert contrast.strength[side].sum() == pytest.approx(1)
        assert contrast.strength[side][0] >= contrast.strength[side][1]


def test_the_nearest_patches_show_the_colour(contrast, pictures):
    best = contrast.prototypes[(contrast.prototypes["component"] == 0) & (contrast.prototypes["rank"] == 0)]
    for row in best.itertuples():
        pixels = np.asarray(pictures[row.image])[row.top : row.top + 8, row.left : row.left + 8]
        assert pixels.mean(axis=(0, 1)).argmax() == (0 if row.side == "for" else 2)


def test_shifting_swaps_both_ways_and_the_table_says_so(contrast):
    table = contrast.table()
    shifted = table[table["baseline"] == "none"]
    assert list(zip(shifted["from"], shifted["to"], strict=True)) == [("red", "blue"), ("blue", "red")]
    assert shifted["swapped"].all()
    assert (shifted["after"] > shifted["before"]).all()
    assert set(table["baseline"]) == {"none", "random_direction"}
    assert not table.drop(columns="factor").isna().to_numpy().any()
    assert "red and not blue at 1" in str(contrast)


def test_the_figure_is_the_card(contrast):
    drawn = contrast.plot()
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert texts[0] == "Why red, and why not blue?"
    assert "What speaks for red and against blue" in texts
    assert f"{100 * contrast.strength['against'][1]:.0f} %" in texts
    sheet, *curves = drawn.axes
    # On either side two components with six patches and three images with their painted copies.
    assert len(sheet.images) == 2 * (2 * 6 + 2 * 3)
    assert [axes.get_lines()[0].get_ydata()[0] > 0.5 for axes in curves] == [True, True]
    blue_of = contrast.card.sides["for"].distances[0]
    assert blue_of.shape == (4, 4)
    assert (blue_of > 0).any()


def test_the_other_order_is_the_mirror_image(contrast, model, pictures):
    study = cc.Study(model, pictures, layer="1", samples=2, noise=0.05, batch_size=7)
    turned = study.contrast(2, 0, recipe=RECIPE)
    np.testing.assert_allclose(turned.hyperplane.normal, -contrast.hyperplane.normal, atol=1e-4)
    np.testing.assert_allclose(turned.components["against"], contrast.components["for"], rtol=1e-3, atol=1e-4)


def test_the_model_is_left_as_it_was(model, pictures):
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    cc.Study(model, pictures[:3] + pictures[10:13], layer="1", samples=0).contrast("red", "blue", recipe=RECIPE)
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    assert not any(part._forward_hooks for part in model.module.modules())


@pytest.mark.parametrize("solver", [Solver("random", init="random"), Solver("logistic", solver="logistic")])
def test_other_solvers_find_the_colours_too(model, pictures, solver):
    study = cc.Study(model, pictures, layer="1", samples=0)
    contrast = study.contrast("red", "blue", recipe=RECIPE, solver=solver)
    assert contrast.hyperplane.normal[0] < contrast.hyperplane.normal[2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"second": "red"}, ConfigError, "a pair needs two classes, got 'red' and 'red'"),
        ({"second": 0}, ConfigError, "a pair needs two classes, got 'red' and 0, which are the same"),
        ({"second": "bleu"}, ConfigError, "unknown class 'bleu'; nearest: blue"),
        ({"second": "green"}, ConceptrastError, "none of 20 pictures is predicted as 'green'"),
        ({"layer": "one"}, LayerError, "unknown layer 'one'"),
        ({"maps": "both"}, ConfigError, "unknown map 'both'; valid: raw, rectified"),
        ({"attribution": "lime"}, ConfigError, "unknown attribution method 'lime'"),
        ({"precision": "float8"}, ConfigError, "unknown precision"),
        ({"recipe": "mine"}, ConfigError, "unknown recipe 'mine'"),
    ],
)
def test_mistakes_are_named(model, pictures, change, error, message):
    with pytest.raises(error, match=message):
        asked(model, pictures, **change)


def asked(model: Model, pictures: list[Image.Image], **change) -> Contrast:
    """A contrast of red and blue, but for a change of the question or of the study."""
    question = {"first": "red", "second": "blue", "recipe": RECIPE, "maps": "raw"}
    options = {"layer": "1", "samples": 0, "attribution": "deeplift", "precision": "float32"}
    assert change.keys() <= question.keys() | options.keys()
    study = cc.Study(model, pictures, **{name: change.get(name, value) for name, value in options.items()})
    return study.contrast(**{name: change.get(name, value) for name, value in question.items()})


def test_a_class_with_one_image_cannot_be_contrasted(model, pictures):
    with pytest.raises(ConceptrastError, match="blue cannot be contrasted: only 1 of its images"):
        cc.Study(model, pictures[:11], layer="1", samples=0).contrast("red", "blue", recipe=RECIPE)


def test_features_that_are_all_the_same_have_no_plane(model):
    same = np.ones((4, 3), np.float32)
    with pytest.raises(ConceptrastError, match="no separating plane: the features of both classes are the same"):
        plane_of_pair(cc.Study(model, layer="1")._evidence, {0: (same, same), 2: (same, same)}, (0, 2), Solver("zero"))


def test_a_bare_network_needs_preprocessing(model, pictures):
    with pytest.raises(ModelError, match=r"preprocess=Preprocess\("):
        cc.Study(model.module, pictures, layer="1")
    how = {"preprocess": model.preprocess, "class_names": NAMES}
    contrast = cc.Study(model.module, pictures, layer="1", samples=0, **how).contrast(0, 2, recipe=RECIPE)
    assert contrast.class_names == ("red", "blue")
    assert isinstance(contrast.prototypes, pd.DataFrame)
