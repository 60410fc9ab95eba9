"""`conceptrast saliency`: the files it writes, and mistakes in one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from conceptrast.base.files import read_arrays
from conceptrast.cli import main


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "red.png"
    Image.new("RGB", (96, 96), "red").save(file)
    return file


def words(photo: Path, out: Path, *more: str) -> list[str]:
    return ["saliency", "--model", "resnet18", "--image", str(photo), "--input-size", "64", "--out", str(out), *more]


def test_the_shell_writes_figure_table_and_maps_and_says_where(photo: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    main(words(photo, out, "--method", "grad_cam", "layer_cam", "--class", "7", "--versus", "tench"))
    assert sorted(path.name for path in out.iterdir()) == ["saliency.csv", "saliency.npz", "saliency.png"]
    table = pd.read_csv(out / "saliency.csv")
    assert table["method"].tolist() == ["grad_cam", "layer_cam"]
    assert table[["toward", "versus"]].to_numpy().tolist() == [[7, 0]] * 2
    maps = read_arrays(out / "saliency.npz")
    assert {name: values.shape for name, values in maps.items()} == {
        "grad_cam": (1, 64, 64),
        "layer_cam": (1, 64, 64),
    }
    assert str(out / "saliency.png") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "gradcam"], "unknown CAM method 'gradcam'; nearest: grad_cam"),
        (["--class", "tentch"], "unknown class 'tentch'; nearest: tench"),
        (["--layer", "fc"], "without positions"),
        (["--layer", "layer9"], "unknown layer 'layer9'"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
    ],
)
def test_a_mistake_on_the_shell_is_one_line(photo: Path, tmp_path: Path, more: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words(photo, tmp_path / "out", *more))
    assert str(stopped.value).startswith("error: ")
    assert message in str(stopped.value)


def test_a_truncated_picture_is_named(photo: Path, tmp_path: Path) -> None:
    photo.write_bytes(photo.read_bytes()[:60])
    with pytest.raises(SystemExit, match=r"red\.png"):
        main(words(photo, tmp_path / "out"))
    with pytest.raises(SystemExit, match=r"nowhere\.png"):
        main(words(tmp_path / "nowhere.png", tmp_path / "out"))
