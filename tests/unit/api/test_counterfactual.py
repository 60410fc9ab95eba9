"""Decoders and counterfactuals from Python: what a user gets, and what a user is told."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from PIL import Image

import conceptrast as cc
from conceptrast.base.errors import ConceptrastError, ConfigError, DataError, LayerError, ModelError
from conceptrast.counterfactual.directions import Direction

from ..counterfactual.toys import Blocks, colours


def test_a_picture_is_moved_and_every_edit_has_its_strip(tmp_path):
    Image.new("RGB", (8, 8), (130, 20, 20)).save(tmp_path / "red.png")
    blue = Direction("cav", "blue", "0", torch.tensor([-1.0, 0.0, 1.0]))
    answer = cc.Study(colours()).counterfactual(
        tmp_path / "red.png", "blue", [blue], decoder=Blocks().eval(), judge=colours(), probability=0.5, frames=5
    )
    assert answer.names == ("red", "blue")
    names = ["located-cav", "uniform-cav", "gradient_times-cav", "gradient", "latent_shift"]
    assert [story.edit.name for story in answer.stories] == names
    # Red and green lose by the gradient; times a vector that is negative for red, red wins.
    reached = {story.edit.name for story in answer.stories if story.reached and story.decoded[-1, 1] >= 0.5}
    assert reached == set(names) - {"gradient_times-cav"}
    table = answer.table()
    assert set(table["to_name"]) == {"blue"}
    assert (table["predicted_judge"] == table["predicted_decoded"]).all()
    assert answer.kept
    assert "located-cav: p(blue) of the decoded picture 0.0" in str(answer)
    assert "16 positions" in str(answer)
    assert answer.plot().axes
    answer.save_gif(tmp_path / "way.gif", "located-cav")
    with Image.open(tmp_path / "way.gif") as gif:
        assert gif.n_frames == 8
        assert gif.info["loop"] == 0


def test_pictures_of_the_class_give_cells_and_means():
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ((130, 20, 20), (20, 20, 130), (20, 20, 150))]
    study = cc.Study(colours(), pictures)
    study.decoder(Blocks().eval())
    answer = study.counterfactual(pictures[0], "blue", probability=0.3, cells=3, frames=3)
    assert [story.edit.name for story in answer.stories] == [
        "transplant",
        "pasted_cells",
        "located-means",
        "uniform-means",
        "gradient",
        "latent_shift",
    ]
    transplant = answer.stories[0]
    assert transplant.cells[-1] <= 3
    assert transplant.decoded[-1, 1] > transplant.decoded[0, 1]
    # Of green, no picture is known.
    assert "transplant" not in [story.edit.kind for story in study.counterfactual(pictures[0], "green").stories]


def test_a_decoder_that_loses_the_class_is_said_to_be_too_weak():
    class Green(Blocks):
        def forward(self, activations):
            return torch.tensor([0.0, 0.9, 0.0]).view(3, 1, 1).expand(len(activations), 3, 8, 8) + 0 * activations.sum()

    red = Image.new("RGB", (8, 8), (130, 20, 20))
    answer = cc.Study(colours()).counterfactual(red, "blue", decoder=Green().eval(), frames=2)
    assert not answer.kept
    weak = r"reconstruction not recognised \(p = .*\): raise the decoder's epochs or images"
    assert re.search(weak, str(answer))
    assert answer.stories == []
    assert len(answer.table())
    for call in (answer.plot, lambda: answer.save_gif("way.gif")):
        with pytest.raises(ConceptrastError, match=weak):
            call()


def test_numbers_that_cannot_be_are_refused():
    red = Image.new("RGB", (8, 8), (130, 20, 20))
    nan = float("nan")
    infinity = float("inf")
    for wrong in (
        *({"frames": frames} for frames in (1, nan)),
        *({"cells": cells} for cells in (0, nan)),
        *({"limit": limit} for limit in (0, -1, nan, infinity)),
        *({"probability": probability} for probability in (0, 1, nan)),
    ):
        with pytest.raises(ConfigError, match="needs 2 frames and 1 cell at least, a limit above 0"):
            cc.Study(colours()).counterfactual(red, "blue", decoder=Blocks().eval(), **wrong)
    with pytest.raises(ConfigError, match="decoder: batch_size must be positive, got 0"):
        cc.DecoderOptions(batch_size=0)
    with pytest.raises(ConfigError, match="decoder: epochs must be positive"):
        cc.DecoderOptions(epochs=0)


def test_what_cannot_be_is_said(tmp_path):
    study = cc.Study(colours())
    study.decoder(Blocks().eval())
    red = Image.new("RGB", (8, 8), (130, 20, 20))
    with pytest.raises(ConfigError, match="the model says 'red' of this picture already"):
        study.counterfactual(red, "red")
    with pytest.raises(ConfigError, match="unknown class 'blu'; nearest: blue"):
        study.counterfactual(red, "blu")
    with pytest.raises(LayerError, match="decoder of '0'"):
        study.counterfactual(red, "blue", [Direction("cav", "x", "1", torch.ones(3))])
    with pytest.raises(ConfigError, match="unknown edit 'cav'; valid: gradient, latent_shift"):
        study.counterfactual(red, "blue", frames=2).save_gif(tmp_path / "x.gif", "cav")
    twice = [Direction("cav", name, "0", torch.ones(3)) for name in ("one", "two")]
    for directions in (twice, [Direction("means", "mine", "0", torch.ones(3))]):
        with pytest.raises(ConfigError, match="two directions are called"):
            study.counterfactual(red, "blue", directions)
    with pytest.raises(ModelError, match="a judge needs the same classes in the same order"):
        study.counterfactual(red, "blue", judge=dataclasses.replace(colours(), class_names=["blue", "green", "red"]))
    with pytest.raises(ModelError, match="a judge is another network"):
        study.counterfactual(red, "blue", judge=study.model)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="not a picture"):
        study.counterfactual(tmp_path / "broken.png", "blue")
