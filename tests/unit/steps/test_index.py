"""The step that lists the pictures of a dataset: its files, and what it rejected, also when it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conceptrast.base.errors import DataError
from conceptrast.base.files import read_json, read_table
from conceptrast.data.dataset import TABLE_TYPES, TRUTH_TYPES
from conceptrast.steps.index import main
from conceptrast.steps.runner import call


def outputs(folder):
    names = {
        "index": "index.parquet",
        "rejected": "rejected.csv",
        "truth": "truth.parquet",
        "class_names": "names.json",
    }
    return {key: folder / name for key, name in names.items()}


@pytest.mark.parametrize("dataset", [{"kind": "digit_pairs", "train": 20, "validation": 10}, {"kind": "photographs"}])
def test_the_step_writes_all_four_files_with_the_columns_of_the_design(tmp_path, dataset):
    paths = outputs(tmp_path)
    call(main, {"dataset": dataset, "seed": 0, "max_rejected": 0.01}, **paths)
    table = read_table(paths["index"])
    truth = read_table(paths["truth"])
    assert list(table.columns) == list(TABLE_TYPES)
    assert list(truth.columns) == list(TRUTH_TYPES)
    assert truth.faint.dtype == bool
    assert table.image.dtype == truth.image.dtype == "int64"
    assert list(read_table(paths["rejected"]).columns) == ["path", "reason"]
    assert set(table.label_name) <= set(read_json(paths["class_names"]))


def test_the_step_lists_what_it_rejected_even_when_it_stops(tmp_path):
    (tmp_path / "set" / "ant").mkdir(parents=True)
    (tmp_path / "set" / "ant" / "a.png").touch()
    paths = outputs(tmp_path)
    with pytest.raises(DataError, match="1 of 1 pictures"):
        call(
            main,
            {"dataset": {"kind": "image_folder", "root": str(tmp_path / "set")}, "seed": 0, "max_rejected": 0.01},
            **paths,
        )
    assert read_table(paths["rejected"]).path.tolist() == ["ant/a.png"]
    assert not paths["index"].exists()


def test_the_step_writes_what_was_rejected_before_it_stops(midog: Callable[..., Path], tmp_path: Path) -> None:
    root = midog(tmp_path / "set", slides=3, cells=4, side=30)
    boxes = ([500, 500, 550, 550], [5000, 0, 5050, 50])
    cells = [{"id": 7 + n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)]
    content = json.loads((root / "MIDOG.json").read_text())
    (root / "MIDOG.json").write_text(json.dumps(content | {"annotations": cells}))
    names = ("index.parquet", "rejected.csv", "truth.parquet", "class_names.json")
    files = {name.partition(".")[0]: tmp_path / name for name in names}
    settings = {"dataset": {"kind": "midog", "root": str(root)}, "seed": 0, "max_rejected": 0.01}
    with pytest.raises(DataError, match=r"1 of 2 pictures cannot be used.*lies outside the image"):
        call(main, settings, **files)
    assert "lies outside the image" in read_table(files["rejected"]).reason[0]
    call(main, settings | {"max_rejected": 0.5}, **files)
    assert read_json(files["class_names"]) == ["mitotic figure", "hard negative"]
    assert read_table(files["truth"]).empty
