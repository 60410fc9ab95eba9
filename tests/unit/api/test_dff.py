"""Deep Feature Factorization from Python: what a user gets, and what a user is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import conceptrast as cc
from conceptrast.base.errors import ConfigError, DataError, LayerError, ModelError
from conceptrast.models.model import Preprocess

HOW = {"preprocess": Preprocess(32, 32, (0.0,) * 3, (0.2,) * 3), "class_names": ["red", "green", "blue"]}


def network() -> nn.Module:
    """Names the colour that there is most of; layer 1 is the last one with positions."""
    return nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def picture(above: str, below: str, mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (32, 32), above)
    image.paste(below, (0, 16, 32, 32))
    return image.convert(mode)


def test_pictures_that_share_their_concepts() -> None:
    result = cc.Study(network(), **HOW).dff([picture("red", "blue"), picture("blue", "red")], (3, 2))
    assert result.source.endswith("at 1")
    assert {k: values.shape for k, values in result.concepts.items()} == {2: (1, 2, 3), 3: (1, 3, 3)}
    assert {k: values.shape for k, values in result.heatmaps.items()} == {2: (2, 2, 8, 8), 3: (2, 3, 8, 8)}
    first, second = result.heatmaps[2]
    np.testing.assert_allclose(first[:, :4], second[:, 4:], rtol=1e-3, atol=1e-3)
    table = result.table()
    assert set(table["picture"]) == {"all"}
    two = table.query("n_components == 2 and rank == 1")
    assert sorted(two["suffix_class"]) == ["blue", "red"]
    assert result.figures == ["all"]
    assert result.plot().axes
    summary = str(result)
    assert summary.startswith("Sequential at 1: 2 pictures, sharing their concepts\n  all, 2 concepts: 0 % missed\n")
    assert "suffix blue 0.9" in summary


def test_pictures_with_concepts_of_their_own(tmp_path: Path) -> None:
    for name, colours in (("one", ("red", "blue")), ("two", ("green", "red"))):
        picture(*colours).save(tmp_path / f"{name}.png")
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    result = cc.Study(network(), layer="1", **HOW).dff(files, [2], shared=False)
    assert (result.concepts[2].shape, result.heatmaps[2].shape) == ((2, 2, 3), (2, 2, 8, 8))
    assert result.figures == [str(file) for file in files]
    sheet = result.plot(1).axes[0]
    assert sheet.texts[0].get_text() == "concepts of two"
    np.testing.assert_array_equal(sheet.images[0].get_array(), result.views[1].permute(1, 2, 0))
    assert set(result.table()["picture"]) == {str(file) for file in files}
    assert "each by itself" in str(result)
    with pytest.raises(ConfigError, match="there is no figure 2: there are 2, counted from 0"):
        result.plot(2)
    with pytest.raises(ConfigError, match="there is no figure -1"):
        result.plot(-1)


def test_grey_pictures_are_pictures_too() -> None:
    result = cc.Study(network(), **HOW).dff([picture("red", "white", "L")], 1)
    assert "1 picture\n" in str(result)
    assert result.heatmaps[1].shape == (1, 1, 8, 8)


def test_one_picture_by_its_file_or_open(tmp_path: Path) -> None:
    file = tmp_path / "one.png"
    picture("red", "blue").save(file)
    for image in (file, str(file), picture("red", "blue")):
        assert cc.Study(network(), **HOW).dff(image, components=[2]).heatmaps[2].shape == (1, 2, 8, 8)


def test_a_picture_with_nothing_to_factorize_has_a_figure_that_says_so() -> None:
    result = cc.Study(network(), **HOW).dff([picture("red", "red"), picture("red", "blue")], [2], shared=False)
    assert "picture:0, 2 concepts: the activations are constant in every channel: there is nothing" in str(result)
    texts = [text.get_text() for text in result.plot(0).axes[0].texts]
    assert any("nothing can be shown: the activations are constant" in text for text in texts)
    assert result.concepts[2].shape == (1, 2, 3)
    black = cc.Study(network(), **HOW).dff([picture("black", "black")], [2])
    assert black.concepts == {}
    assert black.table()["reason"].tolist() == ["the activations are zero everywhere: there is nothing to factorize"]


def test_the_seed_and_the_model_are_those_given() -> None:
    model = network()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    studies = [cc.Study(model, layer="0", seed=seed, **HOW) for seed in (0, 0, 1)]
    one, again, other = (study.dff(Image.fromarray(noise), [3]) for study in studies)
    np.testing.assert_array_equal(one.heatmaps[3], again.heatmaps[3])
    assert not np.array_equal(one.heatmaps[3], other.heatmaps[3])
    assert not any(part._forward_hooks for part in model.modules())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"layer": "7"}, LayerError, "unknown layer '7'"),
        ({"layer": "3"}, LayerError, "without positions"),
        ({"layer": "2"}, LayerError, "no spatial extent"),
        ({"components": [2, 4]}, ConfigError, "4 concepts are more than the number of channels, 3"),
        ({"components": []}, ConfigError, "give at least one number of concepts"),
        ({"components": [0]}, ConfigError, "the number of concepts must be at least 1, got 0"),
        ({"precision": "float31"}, ConfigError, "unknown precision 'float31'"),
        ({"preprocess": None}, ModelError, "pass preprocess="),
        ({"pictures": []}, DataError, "the list of pictures is empty"),
        ({"pictures": "nowhere"}, DataError, "folder nowhere of pictures does not exist"),
        ({"pictures": "nowhere.jpg"}, DataError, "nowhere.jpg"),
    ],
)
def test_what_cannot_be_is_said(change, error, message) -> None:
    with pytest.raises(error, match=message):
        asked(**change)


def asked(**change) -> object:
    """A factorization of one picture, but for a change of the question or of the study."""
    question = {"pictures": [picture("red", "blue")], "components": [2]}
    options = {"layer": "1", "precision": "float32", **HOW}
    assert change.keys() <= question.keys() | options.keys()
    study = cc.Study(network(), **{name: change.get(name, value) for name, value in options.items()})
    return study.dff(**{name: change.get(name, value) for name, value in question.items()})


def test_more_concepts_than_positions_are_refused() -> None:
    small = nn.Sequential(nn.AvgPool2d(16), nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    how = {"preprocess": HOW["preprocess"]}
    with pytest.raises(ConfigError, match=r"5 concepts are more than the number of positions, 4 \(2×2 of one image\)"):
        cc.Study(small, **how).dff([picture("red", "blue")], [5])
    torch.manual_seed(0)
    noise = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8)) for n in range(2)]
    assert cc.Study(small, **how).dff(noise, [5]).heatmaps[5].shape == (2, 5, 2, 2)
