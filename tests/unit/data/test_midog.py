"""Tiles around the cells of a MIDOG set: what is in them, which slides are held out, and what is rejected."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.data import midog as midog_module
from conceptrast.data.dataset import Dataset, open_dataset
from conceptrast.data.midog import tile_at


@pytest.fixture(scope="module")
def whole(midog: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return midog(tmp_path_factory.mktemp("midog") / "set", slides=3, cells=4, side=30)


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(whole, tmp_path / "set")


def opened(root: Path, seed: int = 0, **options: Any) -> Dataset:
    return open_dataset({"kind": "midog", "root": str(root), **options}, seed)


def content(root: Path) -> dict[str, Any]:
    return json.loads((root / "MIDOG.json").read_text())


def changed(root: Path, **parts: Any) -> None:
    (root / "MIDOG.json").write_text(json.dumps(content(root) | parts))


def with_cells(root: Path, *cells: dict[str, Any]) -> None:
    changed(root, annotations=[{"id": 7 + n, "image_id": 1, "category_id": 1} | cell for n, cell in enumerate(cells)])


def test_a_tile_holds_its_cell_in_the_middle(whole: Path) -> None:
    dataset = opened(whole, tile=100)
    table = dataset.build_index().table
    annotations = content(whole)["annotations"]
    assert dataset.class_names == ["mitotic figure", "hard negative"]
    assert len(table) == len(annotations) == 24
    annotations.sort(key=lambda entry: entry["image_id"])  # a stable sort: as in the index
    for row, entry in zip(table.itertuples(), annotations, strict=True):
        assert row.label == entry["category_id"] - 1
        assert row.label_name == dataset.class_names[row.label]
        left, top, right, bottom = entry["bbox"]
        slide = tifffile.imread(whole / f"{entry['image_id']:03d}.tiff")
        at_y = min(max((top + bottom) // 2 - 50, 0), 924)
        at_x = min(max((left + right) // 2 - 50, 0), 924)
        assert row.path == f"{entry['image_id']:03d}.tiff#xywh={at_x},{at_y},100,100"
        np.testing.assert_array_equal(np.asarray(dataset.picture(row)), slide[at_y : at_y + 100, at_x : at_x + 100])


@pytest.mark.parametrize(
    ("box", "corner"),
    [
        ([475, 475, 525, 525], (244, 244)),
        ([475.5, 475, 525.5, 525], (244, 244)),
        ([-20, 0, 30, 50], (0, 0)),
        ([970, 600, 1020, 650], (288, 488)),
        ([0, 700, 50, 799], (288, 0)),
    ],
)
def test_a_tile_is_moved_inside_the_image(box: list[float], corner: tuple[int, int]) -> None:
    assert tile_at(box, (800, 1000), 512) == corner


def test_slides_in_a_folder_of_images_are_found(root: Path) -> None:
    (root / "images").mkdir()
    for path in root.glob("*.tiff"):
        path.rename(root / "images" / path.name)
    table = opened(root).build_index().table
    assert len(table) == 24
    assert table.path[0].startswith("images/001.tiff#xywh=")


def test_all_cells_of_a_slide_are_on_the_same_side(whole: Path) -> None:
    sides = {}
    for seed in range(5):
        table = opened(whole, seed, validation=0.4, tile=64).build_index().table
        slides = table.path.str.partition("#")[0]
        assert table.groupby(slides)["split"].nunique().max() == 1
        held_out = set(slides[table["split"] == "validation"])
        assert len(held_out) == 1  # 0.4 × 3 slides
        sides[seed] = held_out.pop()
        assert opened(whole, seed, validation=0.4, tile=64).build_index().table.equals(table)
    assert len(set(sides.values())) > 1


@pytest.mark.parametrize(("share", "held_out"), [(0, 0), (0.01, 1), (0.5, 2), (0.99, 2), (1, 3)])
def test_each_side_has_a_slide_unless_all_are_wanted(whole: Path, share: float, held_out: int) -> None:
    table = opened(whole, validation=share, tile=64).build_index().table
    assert table.path.str.partition("#")[0][table["split"] == "validation"].nunique() == held_out


@pytest.mark.parametrize("what", ["unknown image", "broken slide", "cells outside"])
def test_slides_without_a_usable_cell_do_not_count_in_the_draw(root: Path, what: str) -> None:
    """Of two slides that can be used, one is for training and one for validation, whatever else is listed."""
    box = {"bbox": [500, 500, 550, 550]}
    if what == "broken slide":
        (root / "003.tiff").write_bytes(b"<html>")
    third = {"unknown image": {"image_id": 9}, "broken slide": {"image_id": 3}}.get(
        what, {"image_id": 3, "bbox": [5000, 0, 5050, 50]}
    )
    with_cells(root, box, box | {"image_id": 2}, box | third)
    for seed in range(8):
        index = opened(root, seed, validation=0.99, tile=64).build_index()
        assert sorted(index.table["split"]) == ["train", "validation"]
        assert len(index.rejected) == 1


def test_a_slide_with_a_name_that_is_too_long_is_rejected(root: Path) -> None:
    images = content(root)["images"]
    images[1]["file_name"] = "1" * 4000
    changed(root, images=images)
    with_cells(root, {"bbox": [500, 500, 550, 550]}, {"bbox": [500, 500, 550, 550], "image_id": 2})
    [reason] = opened(root).build_index().rejected["reason"]
    assert reason.endswith("File name too long")


@pytest.mark.parametrize("where", ["beside", "absolute", "through a folder"])
def test_slides_outside_the_folder_are_rejected_unopened(
    root: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = root.parent / "outside.tiff"
    shutil.copy(root / "002.tiff", outside)
    name = {"beside": "../outside.tiff", "absolute": str(outside), "through a folder": "a/../../outside.tiff"}[where]
    images = content(root)["images"]
    images[1]["file_name"] = name
    changed(root, images=images)
    with_cells(root, {"bbox": [500, 500, 550, 550]}, {"bbox": [500, 500, 550, 550], "image_id": 2})
    looked_at = []
    monkeypatch.setattr(midog_module, "tiff_size", lambda path: looked_at.append(path) or (1024, 1024))
    index = opened(root).build_index()
    assert looked_at == [root / "001.tiff"]
    assert index.table.path.str.startswith("001.tiff#").tolist() == [True]
    assert index.rejected.to_dict("records") == [
        {
            "path": f"{name}#annotation=8",
            "reason": f"file_name {name!r} leaves the folder; expected a path inside root",
        }
    ]


def test_the_index_does_not_depend_on_workers(root: Path) -> None:
    (root / "002.tiff").write_bytes(b"II*\0broken")
    one, other = (opened(root).build_index(workers) for workers in (0, 2))
    pd.testing.assert_frame_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.rejected, other.rejected)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ({"bbox": [1100, 40, 1150, 90]}, r"bbox \[1100, 40, 1150, 90\] lies outside the image of 1024×1024 pixels"),
        ({"bbox": [-90, 40, -40, 90]}, "lies outside the image"),
        ({"bbox": [40, 1000, 90, 1060]}, "lies outside the image"),
        ({"bbox": [400, 300, 50, 50]}, r"bbox \[400, 300, 50, 50\] is empty: its corners \[x1, y1, x2, y2\] need"),
        ({"bbox": [40, 40, 40, 90]}, "is empty"),
        ({"bbox": [40, 40, 90]}, "is not four numbers"),
        ({"bbox": [40, 40, 90, float("nan")]}, "is not four numbers"),
        ({"bbox": "here"}, "is not four numbers"),
        ({"bbox": [40, 40, 90, 90], "category_id": 3}, "unknown category_id '3'; valid: 1, 2"),
        ({"bbox": [40, 40, 90, 90], "image_id": 9}, "'images' has no id 9"),
    ],
)
def test_annotations_that_are_wrong_are_rejected_with_the_reason(root: Path, cell: dict[str, Any], reason: str) -> None:
    with_cells(root, {"bbox": [500, 500, 550, 550]}, cell)
    index = opened(root).build_index()
    assert len(index.table) == len(index.rejected) == 1
    assert index.rejected.path[0].endswith("#annotation=8")
    assert pd.Series(index.rejected.reason).str.contains(reason).all()


@pytest.mark.parametrize("what", ["missing", "empty", "cut off", "small", "another size", "text"])
def test_slides_that_cannot_be_used_cost_their_cells_alone(root: Path, what: str) -> None:
    path = root / "002.tiff"
    if what == "missing":
        path.unlink()
    elif what in ("small", "another size"):
        side = {"small": 400, "another size": 900}[what]
        tifffile.imwrite(path, np.zeros((side, side, 3), np.uint8), photometric="rgb")
        images = content(root)["images"]
        if what == "small":
            images[1] |= {"width": side, "height": side}
        changed(root, images=images)
    else:
        path.write_bytes({"empty": b"", "cut off": path.read_bytes()[:200_000], "text": b"<html>"}[what])
    reasons = {
        "missing": "does not exist",
        "empty": "0 bytes",
        "cut off": "cannot be decoded",
        "text": "not a TIFF",
        "small": "the image of 400×400 pixels is smaller than a tile of 512",
        "another size": "it has 900×900 pixels, and the annotations say 1024×1024",
    }[what]
    index = opened(root).build_index()
    assert index.rejected.path.str.startswith("002.tiff#annotation=").all()
    assert index.rejected.reason.str.contains(reasons).all()
    assert 0 < len(index.rejected) <= 8
    assert len(index.table) == 24 - len(index.rejected)
    with pytest.raises(DataError, match=r"of 24 pictures cannot be used, more than max_rejected = 0\.01"):
        index.check(0.01)


def test_what_is_not_there_is_named(root: Path) -> None:
    assert opened(root).missing() is None
    expected = "expected <root>/MIDOG.json and <root>/*.tiff, or <root>/images/*.tiff"
    assert opened(root / "no").missing() == f"root: the folder {root / 'no'} does not exist; {expected}"
    assert "there is MIDOG.json: name it as `annotations`" in opened(root, annotations="MIDOG++.json").missing()
    for path in root.glob("*.tiff"):
        path.unlink()
    assert "holds no TIFF" in opened(root).missing()
    with pytest.raises(DataError, match="holds no TIFF"):
        opened(root).build_index()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"MIDOG\.json is no valid JSON"),
        ("[]", r"MIDOG\.json needs a list 'images'; it has to hold images, categories, annotations"),
        ('{"images": [], "categories": {}}', "needs a list 'categories'"),
        ('{"images": [{"id": 1}]}', r"images\[0\] lacks 'file_name'"),
        ('{"images": [3]}', r"images\[0\] lacks 'id', 'file_name'"),
        ('{"images": [], "categories": [{"id": "a", "name": "b"}]}', r"categories\[0\]: id is a whole number; got 'a'"),
        ('{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 1}]}', "lacks 'bbox'"),
    ],
)
def test_a_file_of_annotations_that_is_none_says_why(root: Path, text: str, message: str) -> None:
    (root / "MIDOG.json").write_text(text)
    with pytest.raises(DataError, match=message):
        opened(root).build_index()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 0}, "tile is a number of pixels, 1 or more; got 0"),
        ({"validation": 20}, "validation is a share"),
        ({"annotations": 3}, "annotations is a path"),
        ({"tiles": 3}, "unknown option .* 'tiles'; nearest: tile"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, **options)


def test_the_fingerprint_follows_slides_annotations_and_options(root: Path) -> None:
    fingerprints = [opened(root).fingerprint(), opened(root, tile=256).fingerprint(), opened(root, 1).fingerprint()]
    with_cells(root, {"bbox": [500, 500, 550, 550]})
    fingerprints.append(opened(root).fingerprint())
    (root / "003.tiff").unlink()
    fingerprints.append(opened(root).fingerprint())
    assert len(set(fingerprints)) == 5
    assert opened(root).fingerprint() == fingerprints[-1]
