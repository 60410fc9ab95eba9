"""Where a model looks in one's own pictures, from Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import conceptrast as cc
from conceptrast.api.saliency import Saliency
from conceptrast.base.errors import ConceptrastError
from conceptrast.models import load_model
from conceptrast.models.model import Model, Preprocess

COLOURS = ["red", "green", "blue"]


def colour_model() -> Model:
    """Four cells of four pixels; the logit of a colour is how much of it there is."""
    network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Model("colours", network, Preprocess(16, 16, (0.0,) * 3, (1.0,) * 3), COLOURS)


def picture(colour: str, place: tuple[int, int, int, int]) -> Image.Image:
    image = Image.new("RGB", (16, 16), (0, 0, 64))
    image.paste(colour, place)
    return image


def saliency_of_two(**changed) -> Saliency:
    question = {"layer": "1", **changed}
    study = cc.Study(colour_model(), layer=question.pop("layer"))
    return study.saliency([picture("red", (0, 0, 12, 12)), picture("blue", (8, 8, 16, 16))], **question)


def test_the_map_lies_on_what_speaks_for_the_predicted_class() -> None:
    result = saliency_of_two()
    assert result.subjects["predicted_name"].tolist() == ["red", "blue"]
    red, blue = result.maps["grad_cam"]
    assert red.shape == (16, 16)
    assert (red[:4, :4] == 1).all()
    assert (red[14:, 14:] == 0).all()
    assert blue.argmax() // 16 >= 8


def test_a_named_class_and_one_that_it_is_held_against() -> None:
    named = saliency_of_two(target="blue").maps["grad_cam"][0]
    assert named[:8, :8].max() < named[14, 14]
    against = saliency_of_two(target="red", versus="blue")
    assert against.subjects[["toward_name", "versus_name"]].to_numpy().tolist() == [["red", "blue"]] * 2
    # Red less blue is nowhere above what it is where the picture is black, so the map of the blue one is flat.
    assert against.table()["flat"].tolist() == [False, True]
    z = torch.tensor([9 / 16, 0.0, 64 / 255 * 7 / 16])
    assert against.subjects["probability"][0] == pytest.approx(float((z[0] - z[2]).sigmoid()), abs=1e-6)
    assert "why red, and not blue" in str(against)


def test_every_method_has_its_rows_and_the_figure_its_cells() -> None:
    result = saliency_of_two(methods=["grad_cam", "hires_cam"])
    table = result.table()
    assert table["method"].tolist() == ["grad_cam"] * 2 + ["hires_cam"] * 2
    assert not table.isna().to_numpy().any()
    assert np.array_equal(result.maps["grad_cam"], result.maps["hires_cam"])
    assert len(result.plot().axes[0].images) == 2 * 5 + 1


def test_without_a_layer_it_is_the_last_one_that_has_positions() -> None:
    assert saliency_of_two(layer=None).layer == "1"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"methods": []}, "name one method at least"),
        ({"methods": ["gradcam"]}, "unknown CAM method 'gradcam'; nearest: grad_cam"),
        ({"layer": "2"}, "single position"),
        ({"layer": "3"}, "without positions"),
        ({"layer": "9"}, "unknown layer '9'"),
        ({"target": "rad"}, "unknown class 'rad'; nearest: red"),
        ({"target": "red", "versus": "red"}, "'red' cannot be held against itself"),
    ],
)
def test_a_mistake_says_what_would_be_right(changed: dict, message: str) -> None:
    with pytest.raises(ConceptrastError, match=message):
        saliency_of_two(**changed)


def test_a_picture_without_any_activation_is_refused() -> None:
    with pytest.raises(ConceptrastError, match="zero throughout for image 0"):
        cc.Study(colour_model(), layer="1").saliency(Image.new("RGB", (16, 16)))


def test_vgg_is_looked_into_before_its_last_pooling() -> None:
    model = load_model("vgg16", class_names=["a", "b"], input_size=64, seed=1)
    result = cc.Study(model, layer="features.29").saliency(picture("red", (0, 0, 12, 12)).resize((64, 64)))
    assert result.maps["grad_cam"].shape == (1, 64, 64)
    assert result.layer == "features.29"
