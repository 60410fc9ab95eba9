"""`Study.concepts`: the defaults, the concept of coloured pictures, its figure, bad input."""

from __future__ import annotations

import inspect
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

import conceptrast as cc
from conceptrast.ace.options import AceOptions
from conceptrast.api.concepts import PUBLISHED
from conceptrast.base.errors import ConceptrastError, ConfigError, ModelError
from conceptrast.plan.analyses.ace import Ace
from conceptrast.plan.key_types import filled

from ..ace.coloured import COLOURS, INPUT, colour_network, coloured


def test_defaults_are_as_published_in_the_configuration_and_in_the_library():
    """Those of Ghorbani et al. 2019 and the code that accompanies it."""
    published = AceOptions()
    assert (published.clusters, published.min_segments, published.max_segments) == (25, 20, 40)
    assert published.significance == 0.01
    configured = filled(Ace, {})
    assert configured == {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(published).items()
    }
    named = inspect.signature(cc.Study.concepts).parameters
    for key, value in asdict(replace(published, segments_as="resized")).items():
        if key != "images":
            assert named[key].default == value
    # How many pictures of a class is the study's to say; if it does not, it is the published number.
    assert inspect.signature(cc.Study).parameters["images_per_class"].default is None
    assert PUBLISHED.images == published.images == 50
    many = [Image.fromarray(np.full((16, 16, 3), [255, 0, number], np.uint8)) for number in range(70)]
    other = Image.new("RGB", (16, 16), "blue")
    study = cc.Study(colour_network(), [*many, other], layer="1", preprocess=INPUT, class_names=COLOURS)
    assert study.concepts("red", segments=[4]).n_images == 50


def discover(pictures: list[Image.Image], target: str = "red", **options: object) -> object:
    study = cc.Study(colour_network(), pictures, layer="1", preprocess=INPUT, class_names=COLOURS)
    settings = {"segments": [4], "segments_as": "in_place", "clusters": 2, "min_segments": 4, **options}
    return study.concepts(target, **settings)


def test_the_concept_of_red_pictures_is_red():
    discovery = discover(coloured(16))
    kept = discovery.table().query("status == 'ok' and baseline == 'none'")
    assert kept["speaks"].iloc[0] == "for"
    name, cav = discovery.strongest()
    assert name == "red: concept 1"
    np.testing.assert_allclose(cav, [1, 0, 0], atol=0.1)  # red, and not the lack of green that random segments give too
    assert set(discovery.examples.query("concept == 1")["image"]) == set(range(0, 16, 2))
    assert discovery.cavs.shape == (len(kept), 3)
    assert set(discovery.examples["image"]) <= set(range(0, 16, 2))
    assert discovery.plot().get_size_inches()[0] == 14
    assert str(discovery).startswith("concepts of red at 1: 8 images\n  1: TCAV 1.00")


def test_a_picture_without_superpixels_is_said_in_the_table_and_on_the_figure():
    discovery = discover(coloured(16, constant=4))
    reason = "1 image(s) without superpixels (one colour, or one segment) are left out: 4"
    assert reason in discovery.table()["reason"].tolist()
    assert any(reason in text.get_text() for text in discovery.plot().axes[0].texts)
    assert 4 not in set(discovery.examples["image"])


def test_a_class_without_concepts_has_a_figure_that_says_why():
    discovery = discover(coloured(16), min_segments=100)
    assert discovery.strongest() is None
    words = " ".join(text.get_text() for text in discovery.plot().axes[0].texts)
    assert "no concept can be shown" in words
    assert "fewer than ace.min_segments = 100" in words


def test_bad_input_is_named():
    pictures = coloured(4)
    with pytest.raises(ConfigError, match="unknown class 'reed'; nearest: red"):
        discover(pictures, "reed")
    with pytest.raises(ConfigError, match="unknown shape of segments 'in place'; nearest: in_place"):
        discover(pictures, segments_as="in place")
    with pytest.raises(ConceptrastError, match="none of 4 pictures is predicted as 'blue'"):
        discover(pictures, "blue")
    with pytest.raises(ConceptrastError, match="all 2 pictures are predicted as 'red': add pictures of other classes"):
        discover(pictures[::2])
    with pytest.raises(ModelError, match="preprocess"):
        cc.Study(colour_network(), pictures, layer="1")
