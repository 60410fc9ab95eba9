"""``conceptrast dff``: it writes what it says, and a mistake is one line that names what would be right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conceptrast.cli import main, parser
from conceptrast.data.dataset import open_dataset


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """Two pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 2}, seed=1)
    paths = []
    for row in dataset.build_index().table.itertuples():
        paths.append(folder / f"{row.image}.png")
        dataset.picture(row).save(paths[-1])
    (folder / "names.json").write_text(json.dumps(dataset.class_names))
    return paths


def words(files: list[Path], out: Path, *more: str, model: str = "resnet10") -> list[str]:
    names = ["--class-names", str(files[0].parent / "names.json")] if "resnet10" in model else []
    return ["dff", "--model", model, *names, "--image", *map(str, files), "--out", str(out), *more]


def test_dff_writes_figure_table_and_arrays_and_says_where(files, tmp_path, capsys) -> None:
    out = tmp_path / "new" / "folder"
    main(words(files, out, "--layer", "layer3", "--components", "2", "4"))
    assert sorted(path.name for path in out.iterdir()) == ["dff.npz", "dff.png", "dff_concepts.csv"]
    with Image.open(out / "dff.png") as image:
        image.load()
        assert image.width == 1120
    table = pd.read_csv(out / "dff_concepts.csv")
    assert set(table["picture"]) == {"all"}
    assert table.groupby("n_components")["concept"].max().to_dict() == {2: 2, 4: 4}
    with np.load(out / "dff.npz") as arrays:
        assert arrays["heatmaps_k4"].shape == (2, 4, 6, 6)
        assert arrays["concepts_k2"].shape == (1, 2, 128)
    output = capsys.readouterr().out
    assert "resnet10 at layer3: 2 pictures, sharing their concepts" in output
    assert str(out / "dff_concepts.csv") in output


def test_without_a_layer_it_is_the_last_that_has_positions(files, tmp_path, capsys) -> None:
    main(words(files[:1], tmp_path, "--components", "2"))
    assert "resnet10 at layer4" in capsys.readouterr().out
    with np.load(tmp_path / "dff.npz") as arrays:
        assert arrays["heatmaps_k2"].shape == (1, 2, 3, 3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layer", "layer33"], "unknown layer 'layer33'; nearest: layer3"),
        (["--components", "2", "0"], "--components must be at least 1, got 0"),
        (["--components", "10"], "10 concepts are more than the number of positions, 9 (3×3 of one image)"),
        (["--image", "nowhere.png"], "--image nowhere.png: there is no such file"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--precision", "float31"], "unknown precision 'float31'"),
        (["--weights", "no/such.pth"], "no/such.pth"),
        (["--layer", "avgpool"], "no spatial extent"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_is_right(files, tmp_path, more, message) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words(files[:1], tmp_path, "--components", "2", *more))
    assert str(stopped.value).startswith("error: ")
    assert message in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert not list(tmp_path.iterdir())


def test_what_is_no_picture_and_what_cannot_be_written_is_said_before_anything_is_computed(files, tmp_path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SystemExit, match=r"none of 1 pictures can be used; first: .*text.png"):
        main(words(files, tmp_path / "out", "--image", str(tmp_path / "text.png")))
    with pytest.raises(SystemExit, match=r"^error: .*/text.png: a file is in the way; name a folder$"):
        main(words(files, tmp_path / "text.png", model="never-looked-at"))


def test_parsing_imports_no_torch_and_the_module_can_be_run(files, tmp_path) -> None:
    options = parser().parse_args(words(files, tmp_path))
    assert (options.layer, options.components, options.image) == (None, [2, 5, 10], files)
    code = (
        "import sys; from conceptrast.cli import parser; "
        f"parser().parse_args({words(files, tmp_path)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    help_of = [sys.executable, "-m", "conceptrast.cli", "dff", "--help"]
    assert "--components" in subprocess.run(help_of, capture_output=True, text=True, check=True).stdout
