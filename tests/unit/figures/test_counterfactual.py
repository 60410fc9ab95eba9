"""Strips and animations: what is on them, and that a GIF stays small."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.story import Story
from conceptrast.figures.counterfactual import draw_counterfactual, heat
from conceptrast.figures.counterfactual_animation import animation, save_gif

RNG = np.random.default_rng(0)


def story(frames: int = 5, side: int = 12, kind: str = "latent_shift", direction: str = "none") -> Story:
    pictures = RNG.integers(0, 255, (frames, side, side, 3), np.uint8)
    probabilities = np.linspace([0.9, 0.1], [0.2, 0.8], frames)
    return Story(
        edit=Edit(kind, direction, "log p(B), decoded", "layer3", torch.ones(3, 2, 2)),
        original=pictures[0],
        frames=pictures,
        lambdas=np.linspace(0, 0.4, frames),
        cells=np.arange(frames),
        suffix=probabilities,
        decoded=probabilities,
        reached=True,
    )


def test_the_change_is_the_mean_over_colours_of_the_ends():
    one = story(2)
    one.frames[0] = 0
    one.frames[1] = 0
    one.frames[1][0, 0] = (255, 0, 0)
    assert one.change[0, 0] == pytest.approx(1 / 3)
    assert one.change.sum() == pytest.approx(1 / 3)


def test_a_map_without_change_is_dark():
    assert heat(np.zeros((2, 2))).max() <= 4


def test_a_strip_shows_at_most_six_frames_and_names_both_classes():
    figure = draw_counterfactual(
        [story(13), story(13, kind="located", direction="cav")], ["cat, feline", "dog"], "title", "note"
    )
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert sum(text.startswith("λ ") for text in labels) == 12
    assert "p(A), A = cat" in labels
    assert sum(text.endswith(" at λ = 0.40\n12 positions") and text.startswith("p(B) = ") for text in labels) == 2
    assert {"latent shift", "log p(B), decoded", "located"} <= set(labels)
    assert any(text.startswith("cav: log p(B)") for text in labels)
    assert len(figure.axes[0].images) == 2 * (6 + 2)


def test_a_gif_runs_forth_and_back_for_ever(tmp_path):
    save_gif(animation(story(4), ["cat", "dog"]), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["loop"]) == (6, 0)
        pauses = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            pauses.append(gif.info["duration"])
    assert pauses[0] == pauses[3] > pauses[1]


def test_a_gif_of_noise_is_made_smaller_until_it_fits(tmp_path):
    noise = [Image.fromarray(RNG.integers(0, 255, (200, 200, 3), np.uint8)) for _ in range(4)]
    save_gif(noise, tmp_path / "noise.gif", most_bytes=60_000)
    assert (tmp_path / "noise.gif").stat().st_size <= 60_000
    with Image.open(tmp_path / "noise.gif") as gif:
        assert 20 < gif.width < 200
