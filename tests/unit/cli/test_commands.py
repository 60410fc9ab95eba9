"""``concepts``, ``counterfactual`` and ``layers`` on the shell, kinds of figures, and grey networks of one's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptrast.cli import main
from conceptrast.counterfactual.decoder import Decoder, read_decoder, write_decoder

NETWORK = """
import torch
from torch import nn


def build(channels=3):
    network = nn.Sequential(
        nn.AvgPool2d(8), nn.Conv2d(3, 9, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(9, 3, bias=False),
    )
    network[1].weight.data = torch.eye(3).repeat(3, 1)[:, :, None, None]
    network[5].weight.data = 10 * torch.eye(3).repeat(1, 3)
    return network


def grey():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""
MODEL = "--factory colour_network_of_commands:build --input-size 32 --class-names names.json --layer 2"


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a network that names the colour there is most of, and pictures with spots of two colours."""
    (tmp_path / "colour_network_of_commands.py").write_text(NETWORK)
    (tmp_path / "names.json").write_text(json.dumps(["red", "green", "blue"]))
    (tmp_path / "photos").mkdir()
    for number in range(12):
        generator = np.random.default_rng(number)
        pixels = generator.integers(10, 60, (32, 32, 3), dtype=np.uint8)
        for cell in (number, number + 2, 15 - number):
            top = 8 * (cell // 4 % 4)
            left = 8 * (cell % 4)
            pixels[top : top + 8, left : left + 8, 0 if number % 2 else 2] = 255
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_concepts_writes_figure_tables_and_vectors_and_says_where(here: Path, capsys) -> None:
    few = "--segments 4 --segments-as in_place --clusters 2 --min-segments 3 --draws 4 --figure svg"
    main(["concepts", *MODEL.split(), "--images", "photos", "--class", "red", *few.split(), "--out", "out"])
    assert names_in(here / "out") == ["cavs.npz", "concepts.csv", "concepts.svg", "examples.csv"]
    table = pd.read_csv(here / "out" / "concepts.csv").query("status == 'ok' and baseline == 'none'")
    with np.load(here / "out" / "cavs.npz") as arrays:
        assert arrays["cavs"].shape == (len(table), 9)
    output = capsys.readouterr().out
    assert "concepts of red at 2: 6 images" in output
    assert "out/concepts.svg" in output


def test_counterfactual_trains_a_decoder_writes_it_and_reads_it_again(here: Path, capsys) -> None:
    question = [*MODEL.split(), "--image", "photos/1.png", "--class", "blue", "--frames", "3"]
    main(["counterfactual", *question, "--train", "--images", "photos", "--epochs", "40", "--out", "trained"])
    figures = ["counterfactual.csv", "counterfactual.gif", "counterfactual.png"]
    assert names_in(here / "trained") == [*figures, "decoder.safetensors"]
    assert read_decoder(here / "trained" / "decoder.safetensors").layer == "2"
    output = capsys.readouterr().out
    assert "red to blue at 2" in output
    assert "trained/decoder.safetensors" in output
    # The decoder says the layer where none is named.
    without_layer = [word for word in question if word not in ("--layer", "2")]
    main(
        [
            "counterfactual",
            *without_layer,
            "--images",
            "photos",
            "--decoder",
            "trained/decoder.safetensors",
            "--out",
            "again",
        ]
    )
    assert names_in(here / "again") == figures
    tables = [pd.read_csv(here / folder / "counterfactual.csv") for folder in ("trained", "again")]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            [],
            "needs a decoder: --decoder FILE reads one, --train --images DIR trains one and writes it (about 3 s on 10",
        ),
        (["--images", "photos"], "(about 1 s on 12 pictures of 32×32 pixels on two cores, longer for large networks)"),
        (["--train"], "--train needs --images, a folder of pictures that the decoder learns from"),
        (["--decoder", "no.safetensors"], "no.safetensors"),
        (["--decoder", "other.safetensors"], "decoder of 'layer9'"),
        (["--train", "--images", "photos", "--class", "bleu"], "unknown class 'bleu'; nearest: blue"),
        (["--train", "--images", "photos", "--class", "red"], "the model says 'red' of this picture already"),
        (["--train", "--images", "photos", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--train", "--images", "photos", "--inject", "laye"], "unknown layer 'laye'"),
        (["--frames", "1"], "--frames must be at least 2, got 1"),
        (["--image", "nowhere.png"], "--image nowhere.png: there is no such file"),
        (["--figure", "jpg"], "unknown kind of figure 'jpg'"),
    ],
)
def test_a_counterfactual_that_cannot_be_is_one_line(here: Path, more: list[str], message: str) -> None:
    write_decoder(Decoder("layer9", (9, 4, 4), (32, 32), width=16), here / "other.safetensors")
    question = [*MODEL.split(), "--image", "photos/1.png", "--class", "blue", "--out", "out"]
    with pytest.raises(SystemExit) as stopped:
        main(["counterfactual", *question, *more])
    assert str(stopped.value).startswith("error: ")
    assert not (here / "out" / "decoder.safetensors").exists()
    assert message in str(stopped.value)
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--segments", "1"], "--segments must be at least 2, got 1"),
        (["--segments-as", "in place"], "unknown shape of segments 'in place'; nearest: in_place"),
        (["--clusters", "0"], "--clusters must be at least 1, got 0"),
        (["--draws", "1"], "--draws must be at least 2, got 1"),
        (["--class", "green"], "none of 12 pictures is predicted as 'green'; most frequent: red (6), blue (6)"),
        (["--layer", "7"], "unknown layer '7'; valid: 5, 4, 3, 2, 1, 0"),
    ],
)
def test_concepts_that_cannot_be_are_one_line(here: Path, more: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["concepts", *MODEL.split(), "--images", "photos", "--class", "red", "--out", "out", *more])
    assert str(stopped.value) == f"error: {message}"


def test_layers_are_printed_from_the_output_down_with_shapes(capsys) -> None:
    main(["layers", "--model", "resnet18", "--input-size", "64"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "resnet18: layers that can be cut, from the output down, with channels×height×width"
    rows = [line.split() for line in lines[1:]]
    assert rows[:3] == [["fc", "1000"], ["avgpool", "512×1×1"], ["layer4", "512×2×2"]]
    assert rows[-1] == ["conv1", "64×32×32"]
    assert len({name for name, _ in rows}) == len(rows)


def test_layers_say_their_own_layout_where_it_is_not_channels_first(capsys) -> None:
    main(["layers", "--model", "swin_t", "--input-size", "64"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "features.5.5" not in {line.split()[0] for line in lines}  # the block's name is shorter
    assert [line.split(maxsplit=2)[1:] for line in lines if line.startswith(("permute ", "features.5 "))] == [
        ["768×2×2"],
        ["384×4×4", "(channels last)"],
    ]


def test_the_version_is_said(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert re.fullmatch(r"conceptrast \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_a_grey_network_of_ones_own_is_told_its_mean_and_deviation(here: Path, capsys) -> None:
    grey = "--factory colour_network_of_commands:grey --input-size 32 --class-names names.json --image photos/1.png"
    main(["saliency", *grey.split(), "--mean", "0.5", "--std", "0.25", "--out", "grey", "--figure", "pdf"])
    assert names_in(here / "grey") == ["saliency.csv", "saliency.npz", "saliency.pdf"]
    assert "maps at 1: grad_cam" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="images have 3 channels, but the network takes 1"):
        main(["saliency", *grey.split(), "--out", "grey"])
    with pytest.raises(SystemExit, match="mean and std need one value each, or three"):
        main(["saliency", *grey.split(), "--mean", "0.5", "--out", "grey"])
    with pytest.raises(SystemExit, match="std positive ones"):
        main(["saliency", *grey.split(), "--mean", "0.5", "--std", "0", "--out", "grey"])
    assert torch.is_grad_enabled()
