"""All steps of a study's contrasts, from no class at all to two classes in two shards: tables and figures always."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptrast.base.files import read_json, read_table, write_table
from conceptrast.steps import (
    attribute,
    contrast_figures,
    contrast_recovery,
    contrast_tables,
    contrastive_components,
    features,
    hyperplanes,
    index,
    mask,
    shift,
)
from conceptrast.steps.runner import call

SETTINGS: dict[str, Any] = {
    "model": {"architecture": "resnet10"},
    "dataset": {"kind": "digit_pairs", "train": 0, "validation": 120},
    "layer": "layer3",
    "seed": 0,
    "precision": "float32",
    "batch_size": 40,
    "rectify": False,
    "solver": "batched",
    "study": "pairs",
    "max_rejected": 0.01,
    "images_per_class": 12,
    "min_images": 2,
    "classes": None,
    "shards": 2,
    "attribution": {"method": "deeplift", "samples": 1, "noise": 0.1, "baseline": 1.0},
    "contrast": {"attribution": "rectified", "threshold": 0.25},
    "pairs": [["3+7", "3+8"], [8, 7]],
    "hyperplane": "zero",
    "heldout": 0.25,
    "offsets": [0, 10, 50],
    "shift_at": "everywhere",
    "pairs_per_draw": 3,
    "runs": 2,
    "images_per_pair": 3,
    "mask_pairs": 2,
    "fill": 1.0,
    "recipe": {"one": {"components": 2, "pooling": {"kernel": 2, "stride": 2}}},
}
SOLVERS = [{"name": "zero"}, {"name": "random", "init": "random"}]
TABLES = ("contrast_classes", "contrast_pairs", "hyperplanes", "shift", "shift_curves", "mask", "contrast_recovery")


def run(folder: Path, named: list[int]) -> dict[str, pd.DataFrame]:
    """All steps; the model is taken to have named the pictures of the classes ``named`` what they are, others 0+1."""
    path = {name: folder / f"{name}.parquet" for name in ("index", "truth", "predictions", "prototypes")}
    path["class_names"] = folder / "class_names.json"
    opened = {name: path[name] for name in ("index", "class_names")}
    call(index.main, SETTINGS, **opened, rejected=folder / "rejected.csv", truth=path["truth"])
    index_table = read_table(path["index"])
    named_rows = index_table[index_table["label"].isin(named)] if named else index_table.head(1)
    write_table(
        named_rows[["image"]].assign(predicted=named_rows["label"], probability=np.float32(0.5)), path["predictions"]
    )
    shards = [
        {name: folder / f"{name}{number}.npz" for name in ("attribution", "features", "hyperplanes")}
        | {"shift": folder / f"shift{number}.csv"}
        for number in range(2)
    ]
    files = {f"{name}s": [shard[name] for shard in shards] for name in ("attribution", "shift")}
    planes = {name: [shard[name] for shard in shards] for name in ("features", "hyperplanes")}
    for number, shard in enumerate(shards):
        call(
            attribute.main,
            SETTINGS | {"shard": number},
            **opened,
            predictions=path["predictions"],
            attribution=shard["attribution"],
        )
        call(features.main, SETTINGS, **opened, attribution=shard["attribution"], features=shard["features"])
    for number, shard in enumerate(shards):
        settings = SETTINGS | {"hyperplanes": SOLVERS, "shard": number}
        call(hyperplanes.main, settings, features=planes["features"], hyperplanes=shard["hyperplanes"])
    for shard in shards:
        settings = SETTINGS | {"hyperplanes": ["zero", "random"]}
        call(shift.main, settings, **opened, **planes, attribution=shard["attribution"], shift=shard["shift"])
    both = {**opened, "attributions": files["attributions"]}
    call(mask.main, SETTINGS, **both, **planes, mask=folder / "mask.csv", examples=folder / "examples.npz")
    call(
        contrastive_components.main,
        SETTINGS,
        **both,
        **planes,
        predictions=path["predictions"],
        components=folder / "components.npz",
        prototypes=path["prototypes"],
        pairs=folder / "pairs.csv",
        truth=path["truth"],
    )
    recovered = {"mass": folder / "mass.csv", "strongest": folder / "strongest.csv"}
    known = {name: path[name] for name in ("prototypes", "truth")}
    call(contrast_recovery.main, SETTINGS, **both, **planes, **known, **recovered)
    call(
        contrast_figures.main,
        SETTINGS,
        **both,
        predictions=path["predictions"],
        hyperplanes=planes["hyperplanes"],
        components=folder / "components.npz",
        prototypes=path["prototypes"],
        shifts=files["shifts"],
        mask=folder / "mask.csv",
        examples=folder / "examples.npz",
        contrasts=folder / "contrasts",
        manifest=folder / "contrasts.csv",
        pages=folder / "pages" / "contrasts.json",
        shift_figure=folder / "shift.png",
        mask_figure=folder / "mask.png",
    )
    tables = [folder / "tables" / f"{name}.csv" for name in TABLES]
    call(
        contrast_tables.main,
        {"studies": ["pairs"], "studies_with_truth": ["pairs"], "shards": 2, "hyperplanes": SOLVERS},
        **planes,
        shifts=files["shifts"],
        masks=[folder / "mask.csv"],
        pairs=[folder / "pairs.csv"],
        masses=[recovered["mass"]],
        strongest=[recovered["strongest"]],
        tables=tables,
    )
    return {file.stem: read_table(file) for file in tables}


@pytest.mark.parametrize("named", [[], [7]])
def test_fewer_than_two_classes_give_rows_that_say_so(tmp_path, named):
    tables = run(tmp_path, named)
    assert len(tables["contrast_classes"]) == len(named)
    for name in ("hyperplanes", "shift", "mask", "contrast_recovery"):
        assert set(tables[name]["status"]) == {"skipped"}, name
        assert tables[name]["reason"].notna().all()
    assert tables["contrast_pairs"]["status"].tolist() == ["skipped", "skipped"]
    assert "no features of" in tables["contrast_pairs"]["reason"][0]
    assert read_table(tmp_path / "contrasts.csv").empty
    for name in ("shift.png", "mask.png"):
        with Image.open(tmp_path / name) as image:
            assert image.width > 400


def test_two_classes_in_two_shards_have_all_tables_and_figures(tmp_path):
    tables = run(tmp_path, [7, 8])
    assert tables["contrast_classes"]["class_name"].tolist() == ["3+7", "3+8"]
    assert tables["hyperplanes"]["n_pairs"].tolist() == [1, 1]
    # Both ordered pairs in both draws, by either solver, one from each shard.
    assert tables["shift"]["n_pairs"].tolist() == [4] * 4
    start = tables["shift_curves"].query("offset == 0")
    assert start["n_pairs"].tolist() == [4] * 4
    assert start["p_to_mean"].to_numpy() == pytest.approx(tables["shift"]["before_mean"].to_numpy())
    assert tables["mask"]["n_pairs"].tolist() == [2] * 22
    assert tables["contrast_recovery"]["n_pairs"].tolist() == [2, 2]
    assert tables["contrast_recovery"]["n_images"].tolist() == [24, 24]
    assert tables["contrast_pairs"]["status"].tolist() == ["ok", "ok"]
    listed = read_table(tmp_path / "contrasts.csv")
    assert listed["file"].tolist() == ["7-3-7-not-8-3-8.png", "8-3-8-not-7-3-7.png"]
    one, other = (np.asarray(Image.open(tmp_path / "contrasts" / name).convert("RGB")) for name in listed["file"])
    assert one.shape == other.shape
    for contrast, file in zip(read_json(tmp_path / "pages" / "contrasts.json"), listed["file"], strict=True):
        assert f"{contrast['stem']}.png" == file
        for name, side in contrast["sides"].items():
            with Image.open(tmp_path / "pages" / "contrasts" / f"{contrast['stem']}-{name}.webp") as strip:
                assert strip.size == (sum(side["patches"]) * side["shape"][1], side["shape"][0])
    for name in ("hyperplanes", "shift", "mask", "contrast_recovery", "contrast_pairs"):
        numbers = tables[name].drop(columns="reason", errors="ignore").select_dtypes("number")
        # Both draws have the same pairs, so rates over draws have no standard deviation.
        of_draws = ["swap_rate_sd"] if name == "hyperplanes" else list(numbers.filter(regex="_sd$"))
        assert name not in ("hyperplanes", "shift") or numbers[of_draws].isna().to_numpy().all()
        numbers = numbers.drop(columns=of_draws if name in ("hyperplanes", "shift") else [])
        assert np.isfinite(numbers.to_numpy()).all(), name


def test_attributed_positions_are_those_of_the_images_that_are_shifted():
    """Image 9 comes before image 4: its map is the second one of the class in the file."""
    raw = np.zeros((3, 1, 2), np.float32)
    raw[0, 0, 0] = 1.0  # another class
    raw[1, 0] = (0.2, 1.0)  # a fifth of the largest is not above a quarter
    raw[2, 0] = (0.5, 1.0)
    attribution = {"target": np.array([0, 5, 5]), "image": np.array([1, 4, 9]), "raw": raw}
    settings = {"attribution": "raw", "threshold": 0.25}
    positions = shift.telling_of_images(attribution, {5: np.array([9, 4])}, settings, torch.device("cpu"))
    assert {target: values.tolist() for target, values in positions.items()} == {
        5: [[[True, True]], [[False, True]]],
    }
