"""The steps of ACE from pictures to tables and figures, with a class that has too few images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conceptrast.ace.cav_arrays import strongest_cav
from conceptrast.base.errors import ConfigError, DataError
from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.steps import ace, ace_tables, index
from conceptrast.steps.runner import call

SETTINGS: dict[str, Any] = {
    "model": {"architecture": "resnet10"},
    "dataset": {"kind": "digit_pairs", "train": 0, "validation": 80},
    "layer": "layer3",
    "seed": 0,
    "precision": "float32",
    "batch_size": 40,
    "study": "pairs",
    "max_rejected": 0.01,
    "min_images": 3,
    "classes": ["3+7", 7, "3+8"],
    "ace": {
        "segments": [6],
        "segments_as": ["in_place", "resized"],
        "images": 6,
        "random_images": 6,
        "clusters": 3,
        "min_segments": 5,
        "max_segments": 20,
        "draws": 6,
        "significance": 0.05,
    },
}


def run(folder: Path, settings: dict[str, Any], named: list[int]) -> dict[str, Any]:
    """All steps; the model is taken to have named the pictures of the classes ``named`` what they are, others 0+1."""
    path = {name: folder / f"{name}.parquet" for name in ("index", "truth", "predictions")}
    opened = {"index": path["index"], "class_names": folder / "class_names.json"}
    call(index.main, SETTINGS, **opened, rejected=folder / "rejected.csv", truth=path["truth"])
    index_table = read_table(path["index"])
    predicted = index_table["label"].where(index_table["label"].isin(named), 0)
    write_table(index_table[["image"]].assign(predicted=predicted, probability=np.float32(0.5)), path["predictions"])
    call(
        ace.main,
        settings,
        **opened,
        predictions=path["predictions"],
        cavs=folder / "ace.npz",
        concepts=folder / "ace.csv",
        figures=folder / "ace",
        manifest=folder / "figures.csv",
        truth=path["truth"],
    )
    tables = {name: folder / "tables" / f"{name}.csv" for name in ("ace", "ace_recovery")}
    studies = {"studies": ["pairs"], "studies_with_truth": ["pairs"]}
    call(ace_tables.main, studies, concepts=[folder / "ace.csv"], tables=[*tables.values()])
    return {name: read_table(file) for name, file in tables.items()} | {"cavs": read_arrays(folder / "ace.npz")}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run in which only 3+7 has images, in a folder with a figure of an earlier run."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "ace").mkdir()
    (folder / "ace" / "3-old.png").write_bytes(b"")
    return folder, run(folder, SETTINGS, [7])


def test_a_class_with_images_has_all_and_one_without_a_row_that_says_so(first):
    folder, results = first
    table = results["ace"]
    assert list(table.columns[:6]) == ["study", "class", "class_name", "segments_as", "baseline", "status"]
    few = table[table["class_name"] == "3+8"]
    assert few["reason"].tolist() == ["0 images are predicted as it, fewer than min_images = 3"] * 2
    assert few["segments_as"].tolist() == ["in_place", "resized"]
    ok = table[table["status"] == "ok"]
    assert set(zip(ok["segments_as"], ok["baseline"], strict=True)) == {
        (shape, baseline) for shape in ("in_place", "resized") for baseline in ("none", "random_segments")
    }
    assert not ok.drop(columns="reason").isna().to_numpy().any()
    assert set(ok["class_name"]) == {"3+7"}
    assert set(ok["true_concepts"]) == {"3, 7"}
    assert table.loc[table["status"] == "skipped", "reason"].notna().all()
    files = read_table(folder / "figures.csv")
    assert files.to_numpy().tolist() == [[7, "3+7", "7-3-7.png"]]
    assert [path.name for path in (folder / "ace").iterdir()] == ["7-3-7.png"]
    with Image.open(folder / "ace" / "7-3-7.png") as image:
        assert image.width == 1400


def test_the_arrays_are_those_of_the_first_shape_and_agree_with_the_table(first):
    _, results = first
    kept = results["ace"].query("segments_as == 'in_place' and baseline == 'none' and status == 'ok'")
    cavs = results["cavs"]
    assert cavs["classes"].tolist() == [7] * len(kept)
    assert cavs["cavs"].shape == (len(kept), 128)
    np.testing.assert_allclose(np.linalg.norm(cavs["cavs"], axis=1), 1, rtol=1e-5)
    for key in ("tcav", "derivative", "p_corrected"):
        np.testing.assert_allclose(cavs[key], kept[key].astype(float), rtol=1e-6)
    np.testing.assert_allclose(cavs["scores"].mean(axis=1), cavs["tcav"])
    strongest = strongest_cav(cavs, 7)
    assert (strongest is None) == (not (kept["speaks"] == "for").any())


def test_recovery_counts_the_concepts_of_the_table(tmp_path):
    results = run(tmp_path, SETTINGS, [7, 8])
    ok = results["ace"].query("status == 'ok'")
    rows = results["ace_recovery"].set_index(["class_name", "segments_as", "baseline"])
    for key, part in ok.groupby(["class_name", "segments_as", "baseline"]):
        assert rows.loc[key, "n_concepts"] == len(part)
        assert rows.loc[key, "texture_for"] == ((part["role"] == "texture") & (part["speaks"] == "for")).sum()
    assert rows.loc[("all classes", "in_place", "none"), "n_true"] == 4


def test_the_same_run_twice_gives_the_same_bytes(first, tmp_path):
    run(tmp_path, SETTINGS, [7])
    for name in ("ace.csv", "ace.npz", "tables/ace_recovery.csv", "ace/7-3-7.png"):
        assert (tmp_path / name).read_bytes() == (first[0] / name).read_bytes()


def test_no_class_with_images_gives_tables_that_say_so(tmp_path):
    results = run(tmp_path, SETTINGS, [])
    assert set(results["ace"]["status"]) == {"skipped"}
    assert results["ace_recovery"]["status"].tolist() == ["skipped"]
    assert results["ace_recovery"]["study"].tolist() == ["pairs"]
    assert read_table(tmp_path / "figures.csv").empty
    assert strongest_cav(results["cavs"], 7) is None


def test_without_a_truth_nothing_is_claimed_about_what_concepts_show(first, tmp_path):
    folder, results = first
    names = {key: folder / f"{key}.parquet" for key in ("index", "predictions")}
    call(
        ace.main,
        SETTINGS,
        **names,
        class_names=folder / "class_names.json",
        cavs=tmp_path / "ace.npz",
        concepts=tmp_path / "ace.csv",
        figures=tmp_path / "ace",
        manifest=tmp_path / "figures.csv",
    )
    known = results["ace"].drop(columns=["study", "shows", "purity", "role", "true_concepts"])
    pd.testing.assert_frame_equal(read_table(tmp_path / "ace.csv"), known)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"classes": ["3+9"]}, ConfigError, r"unknown class '3\+9'; nearest: 3\+8, 3\+7"),
        ({"model": {"architecture": "resnet10", "input_size": 64}}, DataError, "the known boxes fit only if"),
    ],
)
def test_bad_settings_are_named(tmp_path, changed, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path, SETTINGS | changed, [7])
