"""Whatever a user has as pictures becomes a dataset, and what cannot be used is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.loose_pictures import UNLABELLED, as_dataset


def saved(path, value: int = 50) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 5, 3), value, np.uint8)).save(path)
    return str(path)


def test_folder_of_any_nesting(tmp_path) -> None:
    for value, name in enumerate(("a.png", "deep/er/b.png", "deep/c.jpg")):
        saved(tmp_path / name, value)
    (tmp_path / "notes.txt").write_text("no picture")
    dataset, table = as_dataset(tmp_path)
    assert table["path"].tolist() == ["a.png", "deep/c.jpg", "deep/er/b.png"]
    assert dataset.picture(next(table.itertuples())).size == (5, 6)


def test_bad_files_are_left_out_and_named(tmp_path, caplog) -> None:
    saved(tmp_path / "good.png")
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much more")
    _, table = as_dataset(str(tmp_path))
    assert table["path"].tolist() == ["good.png"]
    assert "2 pictures cannot be used" in caplog.text
    assert "zero.png" in caplog.text


def test_list_of_files_keeps_its_order(tmp_path, caplog) -> None:
    files = [saved(tmp_path / name, value) for name, value in (("b.png", 10), ("a.png", 200))]
    with caplog.at_level("INFO", logger="conceptrast"):
        dataset, table = as_dataset(files)
    assert "checking files: 2 pictures" in caplog.text
    assert [dataset.picture(row).getpixel((0, 0))[0] for row in table.itertuples()] == [10, 200]


def test_one_picture_is_a_list_of_one(tmp_path) -> None:
    file = saved(tmp_path / "a.png", 10)
    renamed = Path(file).rename(tmp_path / "A.PNG")
    bare = saved(tmp_path / "b.png", 20)
    nameless = Path(bare).rename(tmp_path / "nameless")
    for picture, value in ((renamed, 10), (str(renamed), 10), (nameless, 20), (Image.new("L", (2, 2), 30), 30)):
        dataset, table = as_dataset(picture)
        [row] = table.itertuples()
        assert dataset.picture(row).getpixel((0, 0)) == (value, value, value)
        assert row.label_name == UNLABELLED


def test_a_folder_stays_a_folder_whatever_its_name(tmp_path) -> None:
    for value, name in enumerate(("a.png", "deep/b.png")):
        saved(tmp_path / "holiday.jpg" / name, value)
    assert as_dataset(tmp_path / "holiday.jpg")[1]["path"].tolist() == ["a.png", "deep/b.png"]


def test_open_pictures_of_any_mode() -> None:
    wide = Image.fromarray(np.full((2, 2), 32896, np.uint16))
    dataset, table = as_dataset([Image.new("CMYK", (3, 3)), wide])
    assert [dataset.picture(row).getpixel((0, 0)) for row in table.itertuples()] == [(255, 255, 255), (128, 128, 128)]


def test_dataset_and_table_pass_through() -> None:
    dataset = open_dataset({"kind": "digit_pairs", "train": 0, "validation": 3})
    table = dataset.build_index().table
    assert as_dataset((dataset, table)) == (dataset, table)
    with pytest.raises(DataError, match="no rows"):
        as_dataset((dataset, table.head(0)))


def test_what_is_missing_or_unusable_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"nowhere.* does not exist"):
        as_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"folder .*v1\.2 of pictures does not exist"):
        as_dataset(tmp_path / "v1.2")
    with pytest.raises(DataError, match=r"none of 1 pictures can be used; first: .*cat\.JPG: the file does not exist"):
        as_dataset(tmp_path / "cat.JPG")
    with pytest.raises(DataError, match="holds no picture"):
        as_dataset(tmp_path)
    with pytest.raises(DataError, match="list of pictures is empty"):
        as_dataset([])
    with pytest.raises(DataError, match="list of int, str"):
        as_dataset([1, "a.png"])
    (tmp_path / "zero.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 1 pictures can be used; first: zero.png: the file is empty"):
        as_dataset(tmp_path)
