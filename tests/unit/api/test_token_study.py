"""A network with a class token answers every question but the counterfactual one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import conceptrast as cc
from conceptrast.api.components import factorization_of_class
from conceptrast.api.importance import take_out
from conceptrast.base.errors import LayerError
from conceptrast.concepts.removals import RemovalOptions
from conceptrast.models.model import Preprocess
from tests.unit.models.token_networks import SIDE, ClassTokenNetwork

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
NAMES = ["red", "green", "blue"]
PICTURES = 24
PREPROCESS = Preprocess(None, SIDE, (0.0,) * 3, (0.25,) * 3)
RECIPE = cc.Recipe("small", components=2, kernel=1, stride=1, window=0.25)
ACE = {"segments": [4], "segments_as": "in_place", "clusters": 2, "min_segments": 4, "draws": 4}


def picture(number: int) -> Image.Image:
    """Dark grey with three patches of red or of blue."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(10, 30, (SIDE, SIDE, 3), dtype=np.uint8)
    for cell in generator.permutation(16)[:3]:
        top = 8 * (cell // 4)
        left = 8 * (cell % 4)
        pixels[top : top + 8, left : left + 8, 2 * (number % 2)] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def study() -> cc.Study:
    return cc.Study(
        ClassTokenNetwork(),
        [picture(number) for number in range(PICTURES)],
        preprocess=PREPROCESS,
        class_names=NAMES,
        samples=0,
        batch_size=8,
    )


def test_the_default_layer_is_the_last_whose_patches_are_read(study) -> None:
    layers = study.layers().set_index("layer")
    assert layers.loc["first", "layout"] == "tokens, 1 class token"
    assert layers.loc["first", ["channels", "height", "width"]].tolist() == [3, 4, 4]
    assert study.explain("red", recipe=RECIPE).layer == "first"


def test_components_and_contrasts_are_those_of_the_patches(study) -> None:
    explanation = study.explain("blue", recipe=RECIPE)
    strongest = explanation.components[explanation.components.sum(1).argmax()]
    assert strongest.argmax() == 2
    contrast = study.contrast("red", "blue", recipe=RECIPE)
    assert contrast.hyperplane.normal[2] > 0 > contrast.hyperplane.normal[0]
    # The shift is that of the patches, and makes red ones blue.
    shifts = contrast.shift.query("baseline == 'none'")
    assert (shifts.query("offset == 0")["p_to"] < 0.5).all()
    assert (shifts[shifts["offset"] == shifts["offset"].max()]["p_to"] > 0.9).all()


def test_components_are_taken_out_of_patches_beside_the_class_token_of_the_image(study) -> None:
    importance = study.importance("blue", recipe=RECIPE)
    rows = importance.table()
    factorization = factorization_of_class(study._evidence, 2, RECIPE)
    # Half of a logit comes through the patches: taking all components out leaves at least the class token's half.
    removals = take_out(study._evidence, factorization, RemovalOptions()).importance
    logits = removals["logit"]
    assert (removals["logit_drop_all"] <= logits / 2 + 1e-4).all()
    assert (removals["logit_drop_all"] > 0.4 * logits).all()
    assert len(rows) == 2
    # A new picture is asked with its own class token.
    seen = study.explain("blue", recipe=RECIPE).apply(picture(31))
    assert seen.predicted == "blue"
    assert seen.rows["logit_drop"].max() > 0
    assert "random" in str(study.fidelity("blue", recipe=RECIPE))
    assert len(study.stability("blue", recipe=RECIPE, draws=1).table())


def test_concepts_maps_and_factorizations_of_patches(study) -> None:
    assert len(study.concepts("red", **ACE).table())
    maps = study.saliency([picture(1)], "blue")
    assert "blue" in str(maps)
    factorization = study.dff([picture(0), picture(1)], components=[2])
    table = factorization.table()
    assert table["suffix_class"].isna().all()
    assert table["reason"].str.startswith("the suffix cannot be asked: it needs a class token").all()
    assert set(table.query("rank == 1")["blur_class"]) == {"red", "blue"}
    assert "no suffix" in str(factorization)
    assert factorization.plot().axes


def test_a_counterfactual_is_refused_with_what_to_choose_instead(study) -> None:
    with pytest.raises(LayerError, match=r"'first'.*for counterfactuals choose a layer without class token"):
        study.counterfactual(picture(0), "blue")
    with pytest.raises(LayerError, match="for counterfactuals choose a layer without class token"):
        study.decoder()
