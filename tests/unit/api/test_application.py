"""A new picture with the components of a class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import conceptrast as cc
from conceptrast.base.errors import DataError
from conceptrast.concepts.recipes import Recipe
from conceptrast.models.model import Model, Preprocess

RECIPE = Recipe("small", components=2, weighting="position", kernel=1, stride=1, window=0.5, layout="grid")
SIDE = 16


def model() -> Model:
    """Names the colour of which there is most."""
    network = torch.nn.Sequential(
        torch.nn.AvgPool2d(4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    return Model("colours", network.eval(), Preprocess(None, SIDE, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])


def picture(*colour: int, seed: int = 0) -> Image.Image:
    """A colour with a little noise, so that no two pictures are alike."""
    noise = np.random.default_rng(seed).integers(0, 12, (SIDE, SIDE, 3))
    return Image.fromarray((np.array(colour) + noise).astype(np.uint8))


@pytest.fixture(scope="module")
def explanation():
    reds = [picture(200, 20, 20, seed=seed) for seed in range(24)]
    others = [picture(20, 20, 200, seed=seed) for seed in range(24, 32)]
    return cc.Study(model(), [*reds, *others], layer="1", samples=0).explain("red", recipe=RECIPE)


def test_a_picture_of_the_class_fits_and_its_components_carry_the_class(explanation):
    answer = explanation.apply(picture(200, 20, 20, seed=99))
    assert answer.predicted == "red"
    assert answer.n_compared == 12  # the other half of 24
    assert answer.quantile < 1
    assert answer.maps.shape == (2, 4, 4)
    table = answer.table()
    assert table["logit_drop"].is_monotonic_decreasing
    # The suffix is a mean, so what components lose together is what they hold of red, 200 of 255 in tenths.
    assert table["logit_drop"].sum() == pytest.approx(10 * 205 / 255, rel=0.1)
    assert set(table["predicted"]) == {"red"}
    assert "without component" in str(answer)
    drawn = answer.plot()
    assert len(drawn.axes[0].images) == 3


@pytest.mark.parametrize("colour", [(20, 20, 200), (20, 200, 20)])
def test_a_picture_of_another_class_is_unlike_all(explanation, colour):
    answer = explanation.apply(picture(*colour, seed=7))
    assert answer.quantile == 1
    assert "unlike the images of the class: 100 % of 12 other images" in str(answer)


def test_noise_is_unlike_all(explanation):
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert explanation.apply(Image.fromarray(noise)).quantile == 1


def test_a_file_is_taken_and_what_is_no_picture_is_refused(explanation, tmp_path):
    picture(200, 20, 20).save(tmp_path / "new.png")
    assert explanation.apply(tmp_path / "new.png").name.endswith("new.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a picture"):
        explanation.apply(tmp_path / "bad.png")
