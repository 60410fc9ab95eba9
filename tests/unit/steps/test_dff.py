"""The steps of Deep Feature Factorization from pictures to tables and figures, by label and by class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError
from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.steps import dff, dff_tables, index
from conceptrast.steps.runner import call

SETTINGS: dict[str, Any] = {
    "model": {"architecture": "resnet10"},
    "dataset": {"kind": "digit_pairs", "train": 0, "validation": 60},
    "layer": "layer3",
    "seed": 0,
    "precision": "float32",
    "batch_size": 40,
    "max_rejected": 0.01,
    "dff": "pairs",
    "images": 2,
    "components": [2, 3],
    "shared": False,
    "labels": ["3+7", "0+1"],
}
BY_CLASS = {key: value for key, value in SETTINGS.items() if key != "labels"} | {"class": "3+7", "shared": True}


def run(folder: Path, settings: dict[str, Any], by_class: bool = False) -> dict[str, Any]:
    """All steps; the model is taken to have named every picture what it is."""
    opened = {"index": folder / "index.parquet", "class_names": folder / "class_names.json"}
    call(index.main, settings, **opened, rejected=folder / "rejected.csv", truth=folder / "truth.parquet")
    table = read_table(opened["index"])
    predictions = folder / "predictions.parquet"
    write_table(table[["image"]].assign(predicted=table["label"], probability=np.float32(0.5)), predictions)
    call(
        dff.main,
        settings,
        **opened,
        concepts=folder / "dff.csv",
        arrays=folder / "dff.npz",
        figures=folder / "dff",
        manifest=folder / "figures.csv",
        predictions=predictions if by_class else None,
    )
    tables = [folder / "tables" / f"{name}.csv" for name in ("dff_concepts", "dff_summary")]
    call(dff_tables.main, {"dffs": ["pairs"], "seed": 0}, concepts=[folder / "dff.csv"], tables=tables)
    results = {"index": table, "concepts": read_table(tables[0]), "summary": read_table(tables[1])}
    return results | {"arrays": read_arrays(folder / "dff.npz"), "figures": read_table(folder / "figures.csv")}


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run by labels, in a folder with a figure of an earlier run."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "dff").mkdir()
    (folder / "dff" / "9-old.png").write_bytes(b"")
    return folder, run(folder, SETTINGS)


def test_pictures_of_labels_have_concepts_and_figures_of_their_own(labels) -> None:
    folder, results = labels
    table = results["index"]
    first = [int(table.loc[table["label_name"] == name, "image"].iloc[0]) for name in ("3+7", "0+1")]
    names = [f"{first[0]}-3-7", f"{first[1]}-0-1"]
    assert results["figures"].to_numpy().tolist() == [[name, f"{name}.png"] for name in names]
    assert sorted(path.name for path in (folder / "dff").iterdir()) == sorted(results["figures"]["file"])
    for file in results["figures"]["file"]:
        with Image.open(folder / "dff" / file) as image:
            image.load()
            assert image.width == 1120
    concepts = results["concepts"]
    assert list(concepts.columns[:2]) == ["dff", "picture"]
    assert concepts.groupby(["picture", "n_components"])["concept"].nunique().to_dict() == {
        (name, k): k for name in names for k in (2, 3)
    }
    assert set(concepts["head_reason"]) == {"the last linear layer takes 256 numbers, the layer has 128 channels"}
    ok = concepts[concepts["status"] == "ok"].drop(columns=["head_class", "head_score", "reason"])
    assert len(ok)
    assert not ok.isna().to_numpy().any()
    assert results["arrays"]["images"].tolist() == first
    assert results["arrays"]["heatmaps_k3"].shape == (2, 3, 6, 6)
    assert results["summary"]["n_pictures"].tolist() == [2, 2]


def test_pictures_predicted_as_a_class_share_their_concepts(tmp_path) -> None:
    results = run(tmp_path, BY_CLASS, by_class=True)
    assert results["figures"].to_numpy().tolist() == [["all", "all.png"]]
    images = results["arrays"]["images"]
    label_names = results["index"].set_index("image").loc[images, "label_name"]
    assert label_names.tolist() == ["3+7", "3+7"]
    assert results["arrays"]["concepts_k2"].shape == (1, 2, 128)
    assert set(results["concepts"]["picture"]) == {"all"}


def test_a_class_nobody_is_predicted_as_has_a_row_that_says_so(tmp_path, caplog) -> None:
    names = [str(number) for number in range(11)]
    settings = BY_CLASS | {"class": 10, "model": {"architecture": "resnet10", "class_names": names}}
    results = run(tmp_path, settings, by_class=True)
    assert results["concepts"]["status"].tolist() == ["skipped", "skipped"]
    assert set(results["concepts"]["reason"]) == {"there are no pictures predicted as 10"}
    assert set(results["summary"]["status"]) == {"skipped"}
    assert results["figures"].empty
    assert not list((tmp_path / "dff").iterdir())
    assert "pairs: there are no pictures predicted as 10" in caplog.text


def test_the_same_run_twice_gives_the_same_bytes(labels, tmp_path) -> None:
    folder, _ = labels
    run(tmp_path, SETTINGS)
    names = [
        "dff.csv",
        "dff.npz",
        "tables/dff_summary.csv",
        *(f"dff/{file}" for file in read_table(folder / "figures.csv")["file"]),
    ]
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": ["3+77"]}, r"unknown label '3\+77'; nearest: 3\+7"),
        ({"components": [2, 37]}, r"37 concepts are more than the number of positions, 36 \(6×6 of one image\)"),
    ],
)
def test_bad_settings_are_named(tmp_path, changed, message) -> None:
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, SETTINGS | changed)
