"""The command line: it writes what it says, and a mistake is one line that names what would be right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from conceptrast.base.names import slug
from conceptrast.cli import main, parser
from conceptrast.data.dataset import open_dataset
from conceptrast.data.loading import views
from conceptrast.models import load_model
from conceptrast.models.inference import predict


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 24}, seed=1)
    for row in dataset.build_index().table.itertuples():
        (folder / row.label_name).mkdir(exist_ok=True)
        dataset.picture(row).save(folder / row.label_name / f"{row.image}.png")
    (folder / "class_names.json").write_text(json.dumps(dataset.class_names))
    return folder


def words(photos: Path, out: Path, **changes: str) -> list[str]:
    options = {
        "model": "resnet10",
        "class-names": str(photos / "class_names.json"),
        "layer": "layer3",
        "images": str(photos),
        "class": "0",
        "out": str(out),
        "samples": "0",
    }
    return ["explain", *(word for name, value in (options | changes).items() for word in (f"--{name}", value))]


def predicted_class(photos: Path) -> int:
    """The class that the random network sees most often, so that there is something to explain."""
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 24}, seed=1)
    model = load_model("resnet10", class_names=dataset.class_names)
    predictions = predict(model, views(dataset, dataset.build_index().table, model.preprocess, 24))
    return int(predictions["predicted"].mode()[0])


def test_explain_writes_figure_and_tables_and_says_where(photos, tmp_path, capsys) -> None:
    out = tmp_path / "new" / "folder"
    target = predicted_class(photos)
    main(words(photos, out, **{"class": str(target)}))
    names = ["components.csv", "explanation.csv", "explanation.png", "prototypes.csv"]
    assert sorted(path.name for path in out.iterdir()) == names
    with Image.open(out / "explanation.png") as image:
        assert image.width == 1400
    table = pd.read_csv(out / "explanation.csv")
    assert (table["class"] == target).all()
    assert table["probability"].between(0, 1).all()
    prototypes = pd.read_csv(out / "prototypes.csv")
    assert (prototypes["component"].nunique(), prototypes["rank"].max() + 1) == (4, 16)
    assert all((photos / path).is_file() for path in prototypes["path"])
    components = pd.read_csv(out / "components.csv")
    assert components["rank"].tolist() == list(range(4))
    assert components[["logit_drop", "low", "high"]].notna().all(axis=None)
    assert str(out / "explanation.png") in capsys.readouterr().out


def test_new_pictures_get_a_figure_each_and_a_table(photos, tmp_path, capsys) -> None:
    target = predicted_class(photos)
    new = sorted(photos.rglob("*.png"))[:2]
    main([*words(photos, tmp_path / "out", **{"class": str(target)}), "--apply", *map(str, new)])
    figures = sorted(path.name for path in (tmp_path / "out").glob("applied-*.png"))
    assert figures == [f"applied-{number}-{slug(path.stem)}.png" for number, path in enumerate(new, start=1)]
    table = pd.read_csv(tmp_path / "out" / "applied.csv")
    assert table["picture"].unique().tolist() == list(map(str, new))
    assert table["outlier_quantile"].between(0, 1).all()
    assert table.groupby("picture")["component"].nunique().tolist() == [4, 4]
    assert f"{new[0]}: " in capsys.readouterr().out


def test_what_is_no_picture_is_said_before_the_class_is_explained(photos, tmp_path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for file, message in (("bad.png", "not a picture"), ("none.png", "--apply .* there is no such file")):
        with pytest.raises(SystemExit, match=message):
            main([*words(photos, tmp_path / "out"), "--apply", str(tmp_path / file)])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "resnet11"}, "resnet10"),
        ({"weights": "no/such.pth"}, "no/such.pth"),
        ({"layer": "layer33"}, "layer3"),
        ({"class": "0+11"}, "unknown class '0+11'; nearest: 0+1"),
        ({"class": "77"}, "class 77 does not exist"),
        ({"images": "nowhere"}, "folder nowhere of pictures does not exist"),
        ({"recipe": "recomended"}, "unknown recipe 'recomended'; nearest: recommended"),
        ({"method": "deplift"}, "deeplift"),
        ({"precision": "float31"}, "float32"),
        ({"class-names": "nowhere.json"}, "nowhere.json does not exist"),
        ({"batch-size": "0"}, "--batch-size must be at least 1, got 0"),
        ({"images-per-class": "0"}, "--images-per-class must be at least 1, got 0"),
        ({"input-size": "-3"}, "--input-size must be at least 1, got -3"),
        ({"samples": "-1"}, "--samples must be at least 0, got -1"),
        ({"noise": "nan"}, "--noise must be at least 0, got nan"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_is_right(photos, tmp_path, changes, message) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words(photos, tmp_path, **changes))
    assert str(stopped.value).startswith("error: ")
    assert message in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_and_a_class_nobody_is_predicted_as(photos, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="holds no picture"):
        main(words(photos, tmp_path / "out", images=str(tmp_path / "empty")))
    rare = (predicted_class(photos) + 1) % 10
    one = next(photos.rglob("*.png"))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / one.name).write_bytes(one.read_bytes())
    with pytest.raises(SystemExit, match=r"none of 1 pictures is predicted as .*; most frequent: "):
        main(words(photos, tmp_path / "out", images=str(tmp_path / "one"), **{"class": str(rare)}))


def test_class_names_must_be_a_list_of_names(photos, tmp_path) -> None:
    for text, message in (("{", "is not JSON"), ("[1]", "JSON list of class names")):
        (tmp_path / "names.json").write_text(text)
        with pytest.raises(SystemExit, match=message):
            main(words(photos, tmp_path / "out", **{"class-names": str(tmp_path / "names.json")}))


def test_model_or_factory_not_both(photos, tmp_path, capsys) -> None:
    for wrong in ([*words(photos, tmp_path), "--factory", "a.b:c"], ["explain", "--layer", "x"], []):
        with pytest.raises(SystemExit) as stopped:
            parser().parse_args(wrong)
        assert stopped.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_factory_makes_the_model(photos, tmp_path) -> None:
    options = parser().parse_args(["explain", "--factory", "a.b:c", *words(photos, tmp_path)[3:]])
    assert (options.model, options.factory) == (None, "a.b:c")
    with pytest.raises(SystemExit, match=r"a\.b"):
        main(["explain", "--factory", "a.b:c", *words(photos, tmp_path)[3:]])


def test_what_cannot_be_written_is_said_before_anything_is_computed(photos, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"^error: .*/file: a file is in the way; name a folder$"):
        main(words(photos, tmp_path / "file", model="never-looked-at"))


def test_a_factory_is_found_where_the_command_is_called(photos, tmp_path, monkeypatch) -> None:
    (tmp_path / "networks_here.py").write_text("def build():\n    return 3\n")
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="returned int, not a torch"):
        main(["explain", "--factory", "networks_here:build", "--input-size", "32", *words(photos, tmp_path)[3:]])


def test_parsing_imports_no_torch(photos, tmp_path) -> None:
    code = (
        "import sys; from conceptrast.cli import parser; "
        f"parser().parse_args({words(photos, tmp_path)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


COLOURS = """
import torch
from torch import nn


def build():
    network = nn.Sequential(
        nn.AvgPool2d(8), nn.Conv2d(3, 9, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(9, 3, bias=False),
    )
    network[1].weight.data = torch.eye(3).repeat(3, 1)[:, :, None, None]
    network[5].weight.data = 10 * torch.eye(3).repeat(1, 3)
    return network
"""


def test_contrast_writes_figure_and_tables_and_says_where(tmp_path, monkeypatch, capsys) -> None:
    """A network of one's own that names the colour there is most of, and pictures with spots of two colours."""
    (tmp_path / "colour_network.py").write_text(COLOURS)
    (tmp_path / "names.json").write_text(json.dumps(["red", "green", "blue"]))
    (tmp_path / "photos").mkdir()
    for number in range(12):
        picture = Image.new("RGB", (32, 32), (20, 20, 20))
        spot = "red" if number % 2 else "blue"
        for cell in (number, number + 2, 15 - number):
            picture.paste(spot, (8 * (cell % 4), 8 * (cell // 4 % 4), 8 * (cell % 4) + 8, 8 * (cell // 4 % 4) + 8))
        picture.save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    options = "--factory colour_network:build --input-size 32 --class-names names.json --layer 2 --images photos"
    main(["contrast", *options.split(), "--class", "red", "--versus", "blue", "--samples", "0", "--out", "out"])
    names = ["contrast.csv", "contrast.png", "prototypes.csv", "shift.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    table = pd.read_csv(tmp_path / "out" / "contrast.csv").query("baseline == 'none'")
    assert table["swapped"].tolist() == [True, True]
    with Image.open(tmp_path / "out" / "contrast.png") as image:
        assert image.width == 1400
    assert "red and not blue at 2" in capsys.readouterr().out


def test_contrast_refuses_a_class_with_itself(photos, tmp_path) -> None:
    options = words(photos, tmp_path / "out", **{"class": "3+7"})
    with pytest.raises(SystemExit) as error:
        main(["contrast", *options[1:], "--versus", "3+7"])
    assert str(error.value) == "error: a pair needs two classes, got '3+7' and '3+7', which are the same"
