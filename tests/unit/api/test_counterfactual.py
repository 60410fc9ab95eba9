"""Decoders and counterfactuals from Python: what a user gets, and what a user is told."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

import conceptrast as cc
from conceptrast.base.errors import ConfigError, DataError, LayerError
from conceptrast.counterfactual.directions import Direction

from ..counterfactual.toys import Blocks, colours


def test_a_picture_is_moved_and_every_direction_has_its_strip(tmp_path):
    Image.new("RGB", (8, 8), (130, 20, 20)).save(tmp_path / "red.png")
    blue = Direction("cav", "blue", "0", torch.tensor([-1.0, 0.0, 1.0]))
    answer = cc.Study(colours()).counterfactual(tmp_path / "red.png", "blue", [blue], decoder=Blocks().eval(), frames=5)
    assert answer.names == ("red", "blue")
    assert [story.direction.name for story in answer.stories] == ["gradient", "latent_shift", "cav"]
    assert all(story.reached and story.decoded[-1, 1] >= 0.5 for story in answer.stories)
    assert set(answer.table()["to_name"]) == {"blue"}
    assert answer.kept
    assert "cav: p(blue) of the decoded picture 0.0" in str(answer)
    assert answer.plot().axes
    answer.save_gif(tmp_path / "way.gif", "cav")
    with Image.open(tmp_path / "way.gif") as gif:
        assert gif.n_frames == 8
        assert gif.info["loop"] == 0


def test_a_decoder_that_loses_the_class_is_said_to_be_too_weak():
    class Green(Blocks):
        def forward(self, activations):
            return torch.tensor([0.0, 0.9, 0.0]).view(3, 1, 1).expand(len(activations), 3, 8, 8) + 0 * activations.sum()

    red = Image.new("RGB", (8, 8), (130, 20, 20))
    answer = cc.Study(colours()).counterfactual(red, "blue", decoder=Green().eval(), frames=2)
    assert not answer.kept
    assert "the decoded picture is not named red: the decoder is too weak" in str(answer)


def test_numbers_that_cannot_be_are_refused():
    red = Image.new("RGB", (8, 8), (130, 20, 20))
    for wrong in ({"frames": 1}, {"limit": 0}, {"limit": -1}, {"probability": 1}):
        with pytest.raises(ConfigError, match="needs 2 frames at least, a limit above 0"):
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
    with pytest.raises(ConfigError, match="unknown direction 'cav'; valid: gradient, latent_shift"):
        study.counterfactual(red, "blue", frames=2).save_gif(tmp_path / "x.gif", "cav")
    twice = [Direction("cav", name, "0", torch.ones(3)) for name in ("one", "two")]
    for directions in (twice, [Direction("gradient", "mine", "0", torch.ones(3))]):
        with pytest.raises(ConfigError, match="two directions are called"):
            study.counterfactual(red, "blue", directions)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="not a picture"):
        study.counterfactual(tmp_path / "broken.png", "blue")
